"""The playbook over an inventory: databases of a primary, and a word about its standby."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.recap import changes
from tests.integration.partitions import DATABASE, Partitions
from tests.integration.played import login
from tests.integration.played import played as over_an_inventory


def played(partitions: Partitions, place: Path, wanted: list[dict[str, Any]], *options: str) -> tuple[int, str]:
    return over_an_inventory(
        partitions, place, "partitions", {"partitions": wanted}, *options, nothing={"partitions": []}
    )


@pytest.fixture
def wanted(partitions: Partitions) -> list[dict[str, Any]]:
    partitions.run(
        "CREATE TABLE events (k bigint) PARTITION BY RANGE (k)",
        "CREATE TABLE audit (at date) PARTITION BY RANGE (at)",
        "CREATE TABLE plain (n int)",
    )
    tables = [{"table": "events", "interval": "10", "ahead": 1}, {"table": "audit", "interval": "month"}]
    return [{"login_db": DATABASE, "tables": tables}]


def test_check_then_run_then_nothing(partitions: Partitions, wanted: list[dict[str, Any]], tmp_path: Path) -> None:
    code, said = played(partitions, tmp_path, wanted, "--check", "--diff")
    assert code == 0, said
    assert "+events_p0 from 0 to 10" in said
    assert "second is a standby: its partitions come from its primary." in said
    assert partitions.names("events") == []
    code, said = played(partitions, tmp_path, wanted)
    assert code == 0, said
    assert partitions.names("events") == ["events_p0", "events_p10"]
    assert len(partitions.names("audit")) == 5
    code, said = played(partitions, tmp_path, wanted)
    assert code == 0, said
    assert changes(said) == {}


def test_the_function_for_one_month_where_it_is_wanted(
    partitions: Partitions, wanted: list[dict[str, Any]], tmp_path: Path
) -> None:
    [entry] = wanted
    code, said = played(partitions, tmp_path, [{**entry, "function": {"name": "one_month"}}])
    assert code == 0, said
    assert partitions.value("SELECT public.one_month('audit', 2019, 3)::text") == "audit_p2019_03"
    code, said = played(partitions, tmp_path, [{**entry, "function": {"name": "one_month", "state": "absent"}}])
    assert code == 0, said
    assert partitions.value("SELECT to_regproc('one_month')::text") is None


def test_one_database_that_is_refused_does_not_keep_the_next(
    partitions: Partitions, wanted: list[dict[str, Any]], tmp_path: Path
) -> None:
    refused = {"login_db": DATABASE, "tables": [{"table": "plain", "interval": "day"}]}
    code, said = played(partitions, tmp_path, [refused, *wanted])
    assert code != 0
    assert "plain is not partitioned" in said
    assert partitions.names("events") == ["events_p0", "events_p10"]
    assert login(partitions, standby=False)["login_password"] not in said
