"""What is written down for the next run and for the health report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical import state
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.state import _newest

NOTHING = {"last_backup": None, "last_verified": None, "restorable_from": None, "restorable_to": None}
FIRST = {
    "last_backup": {"stopped": "2030-01-02T00:00:00Z"},
    "last_verified": {"verified": {"at": "2030-01-02T01:00:00Z"}},
    "restorable_from": "2030-01-01T00:00:00Z",
    "restorable_to": "2030-01-03T00:00:00Z",
}
SECOND = {**FIRST, "last_backup": {"stopped": "2030-01-05T00:00:00Z"}, "last_verified": None}


def test_all_repositories_count() -> None:
    assert _newest([FIRST, SECOND, NOTHING]) == {
        "last_backup_at": "2030-01-05T00:00:00Z",
        "last_verified_at": "2030-01-02T01:00:00Z",
        "recoverable_from": "2030-01-01T00:00:00Z",
        "recoverable_to": "2030-01-03T00:00:00Z",
    }


def test_where_there_is_none_there_is_no_time() -> None:
    assert set(_newest([NOTHING]).values()) == {None}


EARLIER = {"backup": "F3", "at": "2030-01-01T05:00:00+00:00", "why": "It was damaged."}


def test_what_a_drill_has_restored_is_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    proven = {"verified": {"level": "checksum", "at": "2030-01-01T00:00:00Z"}}
    backups: dict[str, Any] = {"F1": proven, "F2": {"problems": ["It is damaged."]}, "F4": proven}
    (tmp_path / "backup-orders.json").write_text(json.dumps({"repositories": {"1": {"backups": backups}}}))
    one = {"stanza": "orders", "repository": 1, "at": "2030-02-01T05:00:00+00:00"}
    restored = [{**one, "backup": name} for name in ("F1", "F2", "F3")]
    restored += [{**one, "backup": "F4", "repository": 2}, {**one, "backup": "F4", "stanza": "ledger"}]
    (tmp_path / "drill-shop.json").write_text(json.dumps({"restored": restored}))
    (tmp_path / "drill-old.json").write_text(json.dumps({"failed": [{**one, **EARLIER}]}))
    (tmp_path / "drill-torn.json").write_text('{"restored"')
    told = {name: each.verified and each.verified.level for name, each in state.load("orders", 1).items()}
    assert told == {"F1": "restore", "F2": None, "F3": "restore", "F4": "checksum"}


def test_what_a_drill_found_damaged_is_a_problem_until_one_restores_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    proven = {"verified": {"level": "checksum", "at": "2030-03-01T00:00:00Z"}}
    (tmp_path / "backup-orders.json").write_text(json.dumps({"repositories": {"1": {"backups": {"F1": proven}}}}))
    one = {"stanza": "orders", "repository": 1, "backup": "F1", "at": "2030-02-01T05:00:00+00:00"}
    (tmp_path / "drill-shop.json").write_text(json.dumps({"failed": [{**one, "why": "No WAL."}]}))
    found = state.load("orders", 1)["F1"]
    assert found.verified is None
    assert found.sentences == ("A drill of 2030-02-01 05:00:00 UTC found it to be damaged: No WAL.",)
    # It is the drill's, and not written down a second time, where it would outlast that.
    assert found.problems == ()
    assert state.load("orders", 2) == {}
    restored = {**one, "at": "2030-02-02T05:00:00+00:00"}
    (tmp_path / "drill-later.json").write_text(json.dumps({"restored": [restored]}))
    assert state.load("orders", 1)["F1"].sentences == ()
