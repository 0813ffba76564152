"""Transactions a second from two looks at a counter, by a clock of our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.custom import (
    TRANSACTION_RATE,
    TransactionRate,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.rate import ask_rate
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import Scope
from tests.unit.plugins.clock import Clock
from tests.unit.plugins.fakes import FakeSession
from tests.unit.plugins.rows import server


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock.installed(monkeypatch)


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


def rate(asked: Interview, session: Any) -> TransactionRate:
    ask_rate(asked, session)
    (seen,) = asked.observed.of(TRANSACTION_RATE)
    found: TransactionRate = seen.row
    return found


def test_two_looks_and_the_time_between() -> None:
    found = rate(interview(), counting(1000, 1401))
    # 401 more in five seconds, of which the first look itself is one.
    assert (found.transactions_per_second, found.sample_seconds) == (80.0, 5.0)
    assert (found.baseline_per_second, found.deviation_percent) == (100.0, 20.0)


def test_nothing_of_ours_is_asked_in_between() -> None:
    session = counting(0, 1)
    assert rate(interview(), session).transactions_per_second == 0.0
    assert len(session.asked) == 2


def test_a_counter_that_was_reset_counts_as_nothing_and_not_less() -> None:
    found = rate(interview(), counting(1000, 5))
    assert (found.transactions_per_second, found.deviation_percent) == (0.0, 100.0)


def test_the_sample_leaves_half_of_the_run_to_the_other_questions() -> None:
    found = rate(interview(total_seconds=6.0), counting(0, 301))
    assert (found.sample_seconds, found.transactions_per_second) == (3.0, 100.0)


def test_a_sample_of_no_time_is_not_divided_by_nothing() -> None:
    assert rate(interview(sample_seconds=0.0), counting(0, 1)).transactions_per_second == 0.0


def test_a_count_that_is_refused_costs_only_the_sample() -> None:
    asked = interview()
    session: Any = FakeSession({"xact_commit": QueryFailed("permission denied")})
    ask_rate(asked, session)
    assert [(lost.probe, lost.reason) for lost in asked.observed.unavailable] == [
        ("transaction_rate", "permission denied")
    ]


@pytest.mark.parametrize(
    ("subsets", "baseline"),
    [(frozenset({"databases"}), None), (frozenset({"wal"}), 5.0)],
    ids=["no baseline", "unwanted"],
)
def test_without_need_nothing_is_counted(subsets: frozenset[str], baseline: float | None) -> None:
    session: Any = FakeSession()
    asked = Interview({"dbname": "postgres"}, Scope(subsets, transaction_rate_baseline=baseline))
    ask_rate(asked, session)
    assert session.asked == []
