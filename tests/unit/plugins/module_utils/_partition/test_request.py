"""Options become policies, or a sentence before any server is contacted."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import (
    DATE,
    INTEGER,
    TIMESTAMPTZ,
    parse_time,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.request import (
    _TABLE,
    PARTITION_OPTIONS,
    Wish,
    wishes,
)


def options(*tables: dict[str, Any], **more: Any) -> dict[str, Any]:
    given = {name: option.get("default") for name, option in PARTITION_OPTIONS.items()}
    entries = [{name: option.get("default") for name, option in _TABLE.items()} | table for table in tables]
    return {**given, "tables": entries, **more}


def wish(**table: Any) -> Wish:
    return wishes(options({"table": "events", "interval": "month", **table}))[0]


def test_an_entry_becomes_a_policy() -> None:
    policy = wish(ahead=6, retention="12 months", on_expiry="drop", start="2026-01-31 06:00:00").policy(TIMESTAMPTZ)
    assert (policy.ahead, policy.behind, policy.on_expiry, policy.keep_count) == (6, 0, "drop", None)
    assert policy.keep_for is not None
    assert policy.keep_for.words == "12 months"
    assert policy.start == parse_time("2026-01-31 06:00:00")
    assert policy.default_partition == "ignore"


def test_a_start_is_read_by_the_clock_of_its_zone() -> None:
    policy = wish(start="2026-07-01", timezone="Europe/Berlin").policy(TIMESTAMPTZ)
    assert policy.start == parse_time("2026-06-30 22:00:00")
    assert wish(start="2026-07-01", timezone="Europe/Berlin").policy(DATE).start == parse_time("2026-07-01")


@pytest.mark.parametrize(("text", "count"), [("24 partitions", 24), (" 1 Partition ", 1)])
def test_retention_by_count(text: str, count: int) -> None:
    policy = wish(retention=text, on_expiry="detach").policy(DATE)
    assert (policy.keep_for, policy.keep_count) == (None, count)


@pytest.mark.parametrize(
    ("table", "kind", "reason"),
    [
        ({"retention": "0 partitions"}, DATE, "at least"),
        ({"retention": "a while"}, DATE, "not understood"),
        ({"retention": "3 weeks"}, DATE, "shorter than interval"),
        ({"interval": "10", "retention": "9"}, INTEGER, "shorter than interval"),
        ({"interval": "10", "retention": "12 months"}, INTEGER, "whole number"),
        ({"start": "yesterday"}, DATE, "not understood"),
        ({"start": "2026-13-01"}, DATE, "not understood"),
        ({"start": "2026-02-30"}, DATE, "not understood"),
        ({"start": "2026-01-01 06:00:00"}, DATE, "time of day"),
        ({"interval": "10", "start": "2026-01-01"}, INTEGER, "whole number"),
        ({"interval": "1 hour"}, DATE, "knows no hours"),
        ({"name_template": "{nonsense}"}, DATE, "name_template"),
    ],
)
def test_what_does_not_fit_names_its_table(table: dict[str, Any], kind: str, reason: str) -> None:
    with pytest.raises(Refused, match=f"^events: .*{reason}"):
        wish(**table).policy(kind)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (options({"table": "a", "interval": "day"}, {"table": "a", "interval": "day"}), "twice"),
        (options({"table": "a", "interval": "day", "ahead": -1}), "ahead is -1"),
        (options({"table": "a", "interval": "day", "behind": 10**9}), "behind is 1000000000"),
        (options({"table": "a", "interval": "day", "timezone": "Europe/Berlim"}), "not known"),
        (options({"table": "a", "interval": "day", "timezone": "../etc/passwd"}), "not known"),
        (options({"table": "a", "interval": "day"}, lock_timeout=0.0), "lock_timeout"),
        (options({"table": "a", "interval": "day"}, lock_timeout=float("nan")), "lock_timeout"),
        (options({"table": "a", "interval": "day"}, lock_timeout=float("inf")), "lock_timeout"),
        (options({"table": "a", "interval": "day"}, retries=-1), "retries"),
        (options({"table": "a", "interval": "day"}, drain_batch=0), "drain_batch"),
    ],
)
def test_what_no_server_need_be_asked_about(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        wishes(given)
