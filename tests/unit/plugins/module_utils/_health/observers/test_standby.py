"""An idle primary's age is not a standby's lag; a replay that stands still is."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.replication import STANDBY
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers import standby
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import SUBSETS, Scope
from tests.unit.plugins.fakes import FakeSession
from tests.unit.plugins.rows import server

ROW = {
    "receiving": True,
    "configured": True,
    "sender": "pg1 port 5432",
    "paused": False,
    "received_lsn": "0/3000060",
    "replayed_lsn": "0/3000000",
    "received_lag_bytes": 96,
    "replay_lag_seconds": 7200.0,
}


def lag(monkeypatch: pytest.MonkeyPatch, caught_up: list[bool], within: float = 0.05, **differs: Any) -> float:
    """What is reported when the looks after the first one say this, the last of them for ever."""
    monkeypatch.setattr(standby, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(standby, "SECOND_LOOK_SECONDS", within)
    looks = list(caught_up)

    def look(_statement: str) -> list[dict[str, Any]]:
        return [{"caught_up": looks.pop(0) if len(looks) > 1 else looks[0]}]

    session = FakeSession({"caught_up": look, "pg_is_wal_replay_paused": [{**ROW, **differs}]})
    interview = Interview({"dbname": "postgres"}, Scope(subsets=frozenset(SUBSETS)))
    interview.observed.server = server(role="standby")
    standby.ask_standby(interview, session)  # type: ignore[arg-type]
    (seen,) = interview.observed.of(STANDBY)
    return float(seen.row.replay_lag_seconds)


def test_what_is_replayed_a_moment_later_is_no_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lag(monkeypatch, [False, False, True], within=60) == 0.0


def test_a_replay_that_stands_still_lags(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lag(monkeypatch, [False]) == 7200.0


def test_cut_off_from_its_sender_it_shows_old_data(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lag(monkeypatch, [True], receiving=False) == 7200.0
