"""A standby's lag is believed at the second look, by a clock of our own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Silent
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.replication import (
    CAUGHT_UP,
    STANDBY,
    Standby,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.standby import (
    SECOND_LOOK_SECONDS,
    ask_standby,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import Scope
from tests.unit.plugins.clock import Clock
from tests.unit.plugins.fakes import Answer, FakeSession
from tests.unit.plugins.rows import row, server

LAGGING = {"receiving": True, "replay_lag_seconds": 7200.0, "received_lsn": "0/5000000"}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock.installed(monkeypatch)


def asked(session: Any, role: str = "standby", seconds: float = 30.0) -> Interview:
    interview = Interview({"dbname": "postgres"}, Scope(frozenset({"replication"}), total_seconds=seconds))
    interview.observed.server = server(role=role)
    ask_standby(interview, session)
    return interview


def standby(caught_up: Answer, **values: Any) -> FakeSession:
    # The second question first: its text is the longer part of neither.
    return FakeSession({CAUGHT_UP: caught_up, STANDBY.sql[13]: [asdict(row(Standby, **{**LAGGING, **values}))]})


def lag(interview: Interview) -> float:
    (seen,) = interview.observed.of(STANDBY)
    found: float = seen.row.replay_lag_seconds
    return found


def caught_up_after(looks: int) -> Answer:
    left = [False] * (looks - 1) + [True]

    def answer(_query: str) -> Sequence[dict[str, Any]]:
        return [{"caught_up": left.pop(0)}]

    return answer


@pytest.mark.parametrize("looks", [1, 5])
def test_what_is_replayed_a_moment_later_was_no_lag(looks: int) -> None:
    session = standby(caught_up_after(looks))
    assert lag(asked(session)) == 0.0
    assert session.asked.count(CAUGHT_UP) == looks
    # Both looks are at the same place in WAL: more may have come since.
    assert session.values[-1] == {"received": "0/5000000"}


def test_what_still_waits_after_the_second_look_is_a_lag(clock: Clock) -> None:
    started = clock.now
    assert lag(asked(standby([{"caught_up": False}]))) == 7200.0
    assert SECOND_LOOK_SECONDS <= clock.now - started < 2 * SECOND_LOOK_SECONDS


def test_the_second_look_ends_with_the_run(clock: Clock) -> None:
    started = clock.now
    asked(standby([{"caught_up": False}]), seconds=0.1)
    assert clock.now - started < SECOND_LOOK_SECONDS / 2


@pytest.mark.parametrize("values", [{"receiving": False}, {"replay_lag_seconds": 0.0}])
def test_there_is_no_second_look_where_it_could_not_help(values: dict[str, Any]) -> None:
    session = standby(AssertionError("not needed"), **values)
    assert lag(asked(session)) == {**LAGGING, **values}["replay_lag_seconds"]


def test_a_second_look_that_fails_leaves_the_first() -> None:
    assert lag(asked(standby(QueryFailed("canceling statement")))) == 7200.0


def test_a_server_that_hangs_at_the_second_look_hangs() -> None:
    with pytest.raises(Silent):
        asked(standby(Silent("it hangs")))


def test_a_primary_is_not_asked() -> None:
    session = standby([{"caught_up": False}])
    assert asked(session, role="primary").observed.of(STANDBY) == []
    assert session.asked == []
