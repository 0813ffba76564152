"""Where sequences stand: many in one statement, and one that is gone costs only itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, TookTooLong
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import sequences as catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers import sequences
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.sequences import (
    ask_sequences,
    observe_sequences,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import Scope
from tests.unit.plugins.clock import Clock
from tests.unit.plugins.fakes import FakeSession
from tests.unit.plugins.rows import row, server

READ = "last_value FROM"


def ranged(name: str, **values: Any) -> dict[str, Any]:
    usual = {"schema": "public", "name": name, "first": 0, "end": 100, "readable": True}
    found: dict[str, Any] = vars(row(catalog.SequenceRange, **{**usual, **values}))
    return found


def numbered(count: int) -> list[dict[str, Any]]:
    return [ranged(f"s{number:04}") for number in range(count)]


def standing(positions: dict[str, int], gone: Sequence[str] = ()) -> Callable[[str], Sequence[dict[str, Any]]]:
    """Answer a reading with these positions; one that names a sequence which is gone fails as a whole."""

    def answer(statement: str) -> list[dict[str, Any]]:
        names = re.findall(r"Identifier\('public', '(.*?)'\)", statement)
        if set(names) & set(gone):
            raise QueryFailed("relation does not exist")
        return [
            {"ordinal": ordinal, "last_value": positions[name]}
            for ordinal, name in enumerate(names)
            if name in positions
        ]

    return answer


def found(session: Any, limit: int = 10) -> sequences.Found:
    return observe_sequences(lambda: session, limit, lambda: False)


def test_positions_are_shares_of_the_range_and_the_most_used_come_first() -> None:
    listing = [
        ranged("up", first=1, end=101),
        ranged("down", first=-1, end=-201),
        ranged("fresh"),
        ranged("single", first=7, end=7),
        ranged("half", schema="sales"),
    ]
    answers = {"up": 26, "down": -51, "single": 7}
    session = FakeSession({"pg_sequence s": listing, READ: standing(answers)})
    assert [
        (each.sequence, each.last_value, each.end_value, each.used_percent) for each in found(session).positions
    ] == [
        ("public.single", 7, 7, 100.0),
        ("public.down", -51, -201, 25.0),
        ("public.up", 26, 101, 25.0),
    ]


def test_many_are_read_in_few_statements_and_only_the_worst_kept() -> None:
    listing = numbered(catalog.BATCH * 2 + 1)
    positions = {each["name"]: number % 97 for number, each in enumerate(listing)}
    session = FakeSession({"pg_sequence s": listing, READ: standing(positions)})
    result = found(session, limit=3)
    assert sum(READ in statement for statement in session.asked) == 3
    assert [(each.sequence, each.last_value) for each in result.positions] == [
        ("public.s0096", 96),
        ("public.s0193", 96),
        ("public.s0290", 96),
    ]
    assert result.reasons() == []


def test_one_that_was_dropped_meanwhile_costs_only_itself() -> None:
    listing = numbered(8)
    positions = dict.fromkeys((each["name"] for each in listing), 50)
    session = FakeSession({"pg_sequence s": listing, READ: standing(positions, gone=["s0003"])})
    result = found(session)
    assert [each.sequence[-1] for each in result.positions] == list("0124567")
    assert result.unanswered == 1
    (reason,) = result.reasons()
    assert reason.startswith("1 sequence gave no answer")


def test_all_gone_is_said_and_not_taken_for_healthy() -> None:
    listing = numbered(3)
    session = FakeSession({"pg_sequence s": listing, READ: TookTooLong("canceling statement due to lock timeout")})
    result = found(session)
    assert (result.positions, result.unanswered) == ([], 3)


def test_what_may_not_be_read_or_is_locked_is_not_asked_for() -> None:
    listing = [ranged("mine"), ranged("theirs", readable=False), ranged("busy", locked=True)]
    session = FakeSession({"pg_sequence s": listing, READ: standing({"mine": 1}, gone=["theirs", "busy"])})
    result = found(session)
    assert [each.sequence for each in result.positions] == ["public.mine"]
    assert (result.forbidden, result.locked, result.unanswered) == (1, 1, 0)
    forbidden, locked = result.reasons()
    assert "1 sequence may not be read" in forbidden
    assert "GRANT" in forbidden
    assert "1 sequence is locked" in locked


def test_names_are_composed_and_never_put_into_text() -> None:
    listing = [ranged('x"; DROP TABLE y; --', schema="a b")]
    session = FakeSession({"pg_sequence s": listing})
    found(session)
    (statement,) = (each for each in session.asked if READ in each)
    assert """Identifier('a b', 'x"; DROP TABLE y; --')""" in statement


def interview(subset: str = "sequences", **values: Any) -> Interview:
    asked = Interview({"dbname": "shop"}, Scope(frozenset({subset}), **values))
    asked.observed.server = server()
    return asked


def test_gaps_are_listed_beside_what_was_read() -> None:
    listing = [ranged("mine"), ranged("theirs", readable=False)]
    session: Any = FakeSession({"pg_sequence s": listing, READ: standing({"mine": 1})})
    asked = interview()
    ask_sequences(asked, session, "shop")
    assert [(seen.database, seen.row.sequence) for seen in asked.observed.of(catalog.SEQUENCES)] == [
        ("shop", "public.mine")
    ]
    assert [(lost.probe, lost.database) for lost in asked.observed.unavailable] == [("sequences", "shop")]


def test_unwanted_they_are_not_listed() -> None:
    session: Any = FakeSession()
    ask_sequences(interview("wal"), session, "shop")
    assert session.asked == []


def test_what_took_too_long_is_not_tried_again_in_halves() -> None:
    session = FakeSession(
        {"pg_sequence s": numbered(500), READ: TookTooLong("canceling statement due to lock timeout")}
    )
    assert found(session).unanswered == 500
    assert sum(READ in statement for statement in session.asked) == 1


@pytest.mark.parametrize(
    "error", [None, QueryFailed("relation does not exist"), TookTooLong("canceling statement")], ids=repr
)
def test_reading_ends_with_the_run(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> None:
    """Every statement takes half a second, and there are many more than the run has time for."""
    clock = Clock.installed(monkeypatch)

    def slow(statement: str) -> Sequence[dict[str, Any]]:
        clock.now += 0.5
        if error is not None:
            raise error
        return [{"ordinal": number, "last_value": 1} for number in range(statement.count("Identifier("))]

    session: Any = FakeSession({"pg_sequence s": numbered(catalog.BATCH * 100), READ: slow})
    asked = interview(total_seconds=10.0, query_seconds=5.0)
    started = clock.now
    ask_sequences(asked, session, "shop")
    assert clock.now - started <= 10.5
    (lost,) = asked.observed.unavailable
    answered = 0 if error else catalog.BATCH * 20
    assert f"{catalog.BATCH * 100 - answered:,} sequences gave no answer" in lost.reason
