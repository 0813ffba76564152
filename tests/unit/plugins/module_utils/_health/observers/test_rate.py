"""Transactions a second from two looks at a counter, by a clock of our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.custom import (
    TRANSACTION_RATE,
    TransactionRate,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.rate import RateSample
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import Scope
from tests.unit.plugins.clock import Clock
from tests.unit.plugins.fakes import FakeSession
from tests.unit.plugins.rows import server


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock.installed(monkeypatch)


def counting(*counts: int) -> FakeSession:
    left = list(counts)

    def answer(_query: str) -> Sequence[dict[str, Any]]:
        return [{"count": left.pop(0)}]

    return FakeSession({"xact_commit": answer})


def interview(**values: Any) -> Interview:
    usual: dict[str, Any] = {"transaction_rate_baseline": 100.0, "sample_seconds": 5.0, "total_seconds": 30.0}
    asked = Interview({"dbname": "postgres"}, Scope(frozenset({"databases"}), **{**usual, **values}))
    asked.observed.server = server()
    return asked


def rate(asked: Interview, session: Any, clock: Clock, meanwhile: float = 0.0, statements: int = 0) -> TransactionRate:
    sample = RateSample.opened(asked, session)
    assert sample is not None
    clock.now += meanwhile
    for _ in range(statements):
        session.fetch("SELECT 1")
    sample.close(asked, session)
    (seen,) = asked.observed.of(TRANSACTION_RATE)
    found: TransactionRate = seen.row
    return found


def test_the_rest_of_the_sample_is_slept(clock: Clock) -> None:
    found = rate(interview(), counting(1000, 1401), clock, meanwhile=2)
    # 401 more of which the second look itself is one, in five seconds.
    assert (found.transactions_per_second, found.sample_seconds) == (80.0, 5.0)
    assert (found.baseline_per_second, found.deviation_percent) == (100.0, 20.0)


def test_a_sample_that_took_longer_is_divided_by_its_time(clock: Clock) -> None:
    found = rate(interview(), counting(0, 1001), clock, meanwhile=10)
    assert (found.transactions_per_second, found.sample_seconds, found.deviation_percent) == (100.0, 10.0, 0.0)


def test_what_we_asked_meanwhile_is_not_counted(clock: Clock) -> None:
    assert rate(interview(), counting(0, 60), clock, statements=59).transactions_per_second == 0.0


def test_a_counter_that_was_reset_counts_as_nothing_and_not_less(clock: Clock) -> None:
    found = rate(interview(), counting(1000, 5), clock)
    assert (found.transactions_per_second, found.deviation_percent) == (0.0, 100.0)


def test_the_sample_ends_with_the_run(clock: Clock) -> None:
    found = rate(interview(total_seconds=3.0), counting(0, 301), clock)
    assert (found.sample_seconds, found.transactions_per_second) == (3.0, 100.0)


def test_a_sample_of_no_time_is_not_divided_by_nothing(clock: Clock) -> None:
    assert rate(interview(sample_seconds=0.0), counting(0, 1), clock).transactions_per_second == 0.0


@pytest.mark.parametrize(
    ("subsets", "baseline"),
    [(frozenset({"databases"}), None), (frozenset({"wal"}), 5.0)],
    ids=["no baseline", "unwanted"],
)
def test_without_need_nothing_is_counted(subsets: frozenset[str], baseline: float | None) -> None:
    session: Any = FakeSession()
    asked = Interview({"dbname": "postgres"}, Scope(subsets, transaction_rate_baseline=baseline))
    assert RateSample.opened(asked, session) is None
    assert session.asked == []
