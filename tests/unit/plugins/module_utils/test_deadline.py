"""Nothing is waited for past its deadline; the clock here is ours."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from tests.unit.plugins.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock.installed(monkeypatch)


def test_it_counts_down_and_stops_at_nothing(clock: Clock) -> None:
    deadline = Deadline(10)
    assert (deadline.remaining(), deadline.passed()) == (10, False)
    clock.now += 9
    assert (deadline.remaining(), deadline.passed()) == (1, False)
    clock.now += 1
    assert (deadline.remaining(), deadline.passed()) == (0, True)
    clock.now += 100
    assert (deadline.remaining(), deadline.passed()) == (0, True)


@pytest.mark.parametrize(("seconds", "expected"), [(3, 3), (10, 6), (-5, 0)])
def test_a_shorter_one_never_outlasts_the_longer(clock: Clock, seconds: float, expected: float) -> None:
    deadline = Deadline(10)
    clock.now += 4
    shorter = deadline.at_most(seconds)
    assert shorter.remaining() == expected
    clock.now += 100
    assert shorter.passed()


def test_a_negative_time_has_passed_already(clock: Clock) -> None:
    assert clock.now
    assert Deadline(-1).passed()
