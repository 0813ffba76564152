"""Dumps, looked at where they lie and judged: those that there have to be."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.backups import DUMPS, Dump
from ansible_collections.runbook.postgres.plugins.module_utils._health.checks.backups import CHECKS
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.dumps import ask_dumps
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import Scope, WantedDumps, wanted_dumps
from tests.unit.plugins.rows import server

NOW = datetime.now(timezone.utc)


def ago(days: float) -> str:
    return (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def dump(place: Path, name: str, number: int, days: float, known: Any = None, **more: Any) -> None:
    (place / name).mkdir()
    manifest = {"content": "all", "tables": [], "label": "", "number": number, "finished": ago(days)}
    told = {**manifest, "origin": {"database": "shop"}, **more}
    (place / name / "manifest.json").write_text(json.dumps(told), encoding="utf-8")
    if known is not None:
        (place / name / "verified.json").write_text(json.dumps(known), encoding="utf-8")


def looked(place: Path, on: str = "primary", role: str = "primary", same_host: bool = True) -> Interview:
    scope = Scope(frozenset({"backups"}), dumps=(WantedDumps(str(place), "shop", on),))
    asked = Interview({"dbname": "postgres"}, scope)
    asked.observed.server = replace(server(same_host=same_host), role=role)
    ask_dumps(asked)
    return asked


def seen(asked: Interview) -> Dump:
    [found] = asked.observed.of(DUMPS)
    row = found.row
    assert isinstance(row, Dump)
    return row


def test_the_newest_whole_one_counts(tmp_path: Path) -> None:
    dump(tmp_path, "a", 1, 9, {"proofs": {"checksum": ago(9), "list": ago(8)}, "failure": None})
    # Clocks are set back, numbers are not.
    dump(tmp_path, "b", 2, 2)
    dump(tmp_path, "c", 3, 1, {"proofs": {}, "failure": "It does not restore."})
    dump(tmp_path, "d", 4, 0, origin={"database": "other"})
    dump(tmp_path, "e", 5, 0, content="schema")
    dump(tmp_path, "f", 6, 0, tables=["public.orders"])
    dump(tmp_path, "g", 7, 0, label="safety")
    dump(tmp_path, ".h", 8, 0)
    (tmp_path / "notes").mkdir()
    row = seen(looked(tmp_path))
    assert (row.last_backup_at, row.last_verified_at) == (ago(2), ago(8))
    assert (row.problems, row.told) == (1, "Backup c: It does not restore.")


def test_one_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/manifest.json").write_text("{", encoding="utf-8")
    assert "cannot be read as a backup" in seen(looked(tmp_path)).told


def test_where_there_is_none_it_is_a_finding(tmp_path: Path) -> None:
    asked = looked(tmp_path / "nowhere")
    sentences = [each.message for check in CHECKS for each in check.measure(asked.observed)]
    assert sentences == [
        f"There is no backup of database shop in {tmp_path}/nowhere.",
        f"A backup of database shop in {tmp_path}/nowhere was never verified.",
    ]


@pytest.mark.parametrize(
    ("on", "role", "count"), [("primary", "standby", 0), ("standby", "standby", 1), ("any", "x", 1)]
)
def test_they_lie_where_they_are_taken(tmp_path: Path, on: str, role: str, count: int) -> None:
    assert len(looked(tmp_path, on, role).observed.of(DUMPS)) == count


def test_another_host_has_other_directories(tmp_path: Path) -> None:
    assert looked(tmp_path, same_host=False).observed.of(DUMPS) == []


def test_a_directory_that_may_not_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    [lost] = looked(tmp_path).observed.unavailable
    assert "run this as who the backups belong to" in lost.reason


def test_each_is_asked_about_once() -> None:
    given = {"directory": "/srv", "database": "shop", "on": "primary"}
    assert wanted_dumps([given, dict(given)]) == (WantedDumps("/srv", "shop"),)
