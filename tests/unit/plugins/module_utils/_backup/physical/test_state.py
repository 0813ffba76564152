"""What is written down for the next run and for the health report."""

from __future__ import annotations

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
