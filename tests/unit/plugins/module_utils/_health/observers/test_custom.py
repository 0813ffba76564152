"""The user's own questions: read-only, rolled back, each failing on its own."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Silent
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.custom import CUSTOM_VALUES, CustomValue
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.custom import ask_custom
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import CustomQuery, Scope
from tests.unit.plugins.fakes import FakeSession
from tests.unit.plugins.rows import row, server

QUERY = "SELECT mine"


def question(name: str = "backlog", query: str = QUERY, **values: Any) -> CustomQuery:
    found: CustomQuery = row(CustomQuery, name=name, query=query, **{"above": True, **values})
    return found


def asked(session: Any, *questions: CustomQuery, database: str = "shop", **values: Any) -> Interview:
    subsets = values.pop("subsets", frozenset({"custom"}))
    interview = Interview({"dbname": "shop"}, Scope(subsets, queries=questions or (question(),), **values))
    interview.observed.server = server()
    ask_custom(interview, session, database)
    return interview


def values(interview: Interview) -> list[CustomValue]:
    return [seen.row for seen in interview.observed.of(CUSTOM_VALUES)]


def reasons(interview: Interview) -> dict[str, str]:
    return {lost.probe: lost.reason for lost in interview.observed.unavailable}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"count": 5}, CustomValue("backlog", None, 5.0)),
        ({"count": Decimal("5.5"), "name": "orders"}, CustomValue("backlog", "orders", 5.5)),
        ({"there": True, "name": None}, CustomValue("backlog", None, 1.0)),
        ({"there": False, "name": 7, "more": "x"}, CustomValue("backlog", "7", 0.0)),
        ({"text": "12"}, CustomValue("backlog", None, 12.0)),
    ],
)
def test_the_first_column_is_the_value_and_the_second_its_object(cells: dict[str, Any], expected: CustomValue) -> None:
    assert values(asked(FakeSession({QUERY: [cells]}))) == [expected]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "returned no row"),
        ([{}], "without a column"),
        ([{"a": None}], "holds None, which is no number"),
        ([{"a": "many"}], "holds 'many', which is no number"),
        ([{"a": [1]}], "holds [1], which is no number"),
        ([{"a": float("nan")}], "holds nan, which cannot be compared"),
        ([{"a": float("inf")}], "holds inf, which cannot be compared"),
    ],
)
def test_what_is_no_value_is_said_under_the_checks_name(rows: list[dict[str, Any]], reason: str) -> None:
    interview = asked(FakeSession({QUERY: rows}))
    assert values(interview) == []
    assert reason in reasons(interview)["backlog"]


def test_each_query_has_a_read_only_transaction_that_is_rolled_back() -> None:
    session = FakeSession({QUERY: [{"a": 1}]})
    asked(session)
    begin, path, query, rollback = session.asked
    assert (begin, query, rollback) == ("BEGIN TRANSACTION READ ONLY", QUERY, "ROLLBACK")
    assert "search_path" in path
    assert path.rstrip(")").endswith("true")


def test_a_query_that_fails_is_rolled_back_and_the_next_one_asked() -> None:
    session = FakeSession({"bad": QueryFailed("no such table"), QUERY: [{"a": 1}]})
    interview = asked(session, question("first", "SELECT bad"), question("second"))
    assert [each.check for each in values(interview)] == ["second"]
    assert reasons(interview) == {"first": "no such table"}
    assert session.asked.count("ROLLBACK") == 2


def test_a_server_that_hangs_in_a_query_is_said_to_hang() -> None:
    session = FakeSession({QUERY: Silent("it hangs"), "ROLLBACK": AssertionError("asked on a session that is gone")})
    with pytest.raises(Silent):
        asked(session)


@pytest.mark.parametrize("name", ["custom", "disks", "tables", "archiver"])
def test_a_check_may_be_called_like_a_question_of_ours(name: str) -> None:
    interview = asked(FakeSession({QUERY: [{"a": 1}]}), question(name), question("other"))
    assert [each.check for each in values(interview)] == [name, "other"]
    assert set(interview.observed.rows) == {"custom"}


@pytest.mark.parametrize(("above", "kept"), [(True, [9.0, 8.0]), (False, [1.0, 2.0])])
def test_the_worst_rows_are_kept(above: bool, kept: list[float]) -> None:
    session = FakeSession({QUERY: [{"a": number} for number in (2, 9, 1, 8, 5)]})
    interview = asked(session, question(above=above), limit=2)
    assert [each.value for each in values(interview)] == kept


@pytest.mark.parametrize(
    ("database", "expected"), [("shop", ["here", "there"]), ("stock", ["elsewhere"]), ("postgres", [])]
)
def test_a_query_is_asked_in_its_database_only(database: str, expected: list[str]) -> None:
    questions = (question("here"), question("elsewhere", database="stock"), question("there", database="shop"))
    interview = asked(FakeSession({QUERY: [{"a": 1}]}), *questions, database=database)
    assert [each.check for each in values(interview)] == expected


def test_unwanted_nothing_is_asked() -> None:
    session = FakeSession()
    asked(session, subsets=frozenset({"wal"}))
    assert session.asked == []
