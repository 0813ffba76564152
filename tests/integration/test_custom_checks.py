"""The user's own checks: what they may return, and that they cannot do harm."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.faults.scene import schema
from tests.integration.faults.tables import FILLED
from tests.integration.runner import Failed, Health, Report
from tests.integration.servers import Server


def ask(health: Health, *checks: dict[str, Any], **options: Any) -> Report:
    return health("custom", checks=[{"database": "app", "warning": 0, **check} for check in checks], **options)


def test_number_and_its_words(health: Health) -> None:
    said = {"unit": "rows", "sentence": "Orders wait.", "remedy": "Start the dispatcher.", "critical": 100}
    (finding,) = ask(health, {"name": "backlog", "query": "SELECT 42", **said}).findings()
    assert finding == {
        "check": "backlog",
        "severity": "warning",
        "value": 42,
        "warning": 0,
        "critical": 100,
        "unit": "rows",
        "object": None,
        "database": "app",
        "message": "Orders wait.",
        "remedy": "Start the dispatcher.",
    }


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("SELECT 1.5", 1.5),
        ("SELECT 2, NULL", 2),
        ("SELECT 3::numeric(10,2)", 3),
        ("SELECT true", 1),
        ("SELECT count(*) FROM generate_series(1, 5);", 5),
        ("SELECT 5 -- the answer; of sorts", 5),
        ("WITH w AS (SELECT 7 AS n) SELECT n FROM w", 7),
        ("SELECT 10 % 4", 2),
        ("SELECT length('100% %s')", 7),
    ],
)
def test_values(health: Health, query: str, value: float) -> None:
    report = ask(health, {"name": "mine", "query": query})
    assert [(finding["check"], finding["value"]) for finding in report.findings()] == [("mine", value)]
    assert report.metrics["custom"]["custom"] == [{"check": "mine", "object": None, "value": value, "database": "app"}]


def test_below(health: Health) -> None:
    check = {"name": "rows_in_the_last_hour", "query": "SELECT 3", "worse": "below", "warning": 10, "critical": 5}
    (finding,) = ask(health, check).findings()
    assert finding["severity"] == "critical"
    assert ask(health, {**check, "query": "SELECT 10"}).status == "ok"


def test_one_finding_for_each_object(health: Health) -> None:
    tables = "SELECT to_regclass(name) IS NOT NULL, name FROM unnest(ARRAY['pg_class', 'orders', 'payments']) name"
    check = {"name": "key_tables_exist", "query": tables, "worse": "below", "warning": None, "critical": 1}
    report = ask(health, check)
    assert [(finding["severity"], finding["object"]) for finding in report.findings()] == [
        ("critical", "orders"),
        ("critical", "payments"),
    ]
    ignoring = ask(health, check, ignore=[{"check": "key_tables_exist", "object": "pay*"}])
    assert [finding["object"] for finding in ignoring.findings()] == ["orders"]


@pytest.mark.parametrize(("worse", "bad"), [("above", "30"), ("below", "1")])
def test_limit_keeps_the_worst_rows(health: Health, worse: str, bad: str) -> None:
    """The bad one comes last, or first and is followed by more than may be shown."""
    rows = "SELECT n, n::text FROM generate_series(1, 30) n"
    check = {"name": "rows", "query": rows, "worse": worse, "warning": 29 if worse == "above" else 2}
    report = ask(health, check, limit=3)
    assert [finding["object"] for finding in report.findings()] == [bad]
    assert len(report.metrics["custom"]["custom"]) == 3


def test_named_like_a_question_of_the_module(server: Server, health: Health) -> None:
    """Its values must not be mixed up with the answers to that one."""
    with schema(server, *FILLED, "ANALYZE scene.t"):
        check = {"name": "tables", "query": "SELECT 42", "warning": 0, "database": "app"}
        report = health("custom", "tables", checks=[check])
        assert "scene.t" in [row["table"] for row in report.metrics["tables"]["tables"]]
        assert [finding["value"] for finding in report.findings("tables")] == [42]


def test_each_in_its_own_database(health: Health) -> None:
    query = "SELECT 1, current_database()"
    report = ask(
        health,
        {"name": "here", "query": query, "database": None},
        {"name": "there", "query": query, "database": "app"},
    )
    assert {(finding["check"], finding["object"]) for finding in report.findings()} == {
        ("here", "postgres"),
        ("there", "app"),
    }


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT nonsense", "nonsense"),
        ("SELECT 1/0", "division by zero"),
        ("SELECT 'many'", "no number"),
        ("SELECT NULL::int", "no number"),
        ("SELECT 'NaN'::float8", "nan"),
        ("SELECT 1 WHERE false", "no row"),
        ("SELECT pg_sleep(600)", "query_timeout"),
    ],
)
def test_failure_costs_only_itself(health: Health, query: str, reason: str) -> None:
    report = ask(health, {"name": "bad", "query": query}, {"name": "good", "query": "SELECT 1"}, query_timeout=0.3)
    assert list(report.unavailable()) == ["bad"]
    assert reason in report.unavailable()["bad"]
    assert [finding["check"] for finding in report.findings()] == ["good"]


WRITES = (
    "WITH gone AS (DELETE FROM scene.t RETURNING 1) SELECT count(*) FROM gone",
    "SELECT setval('scene.s', 7)",
    "SELECT nextval('scene.s')",
    "SELECT 1 AS n INTO scene.other",
    "SELECT n FROM scene.t FOR UPDATE",
    "SELECT scene.delete()",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT set_config('default_transaction_read_only', 'off', false)",
)


@pytest.mark.parametrize("query", WRITES)
def test_writes_are_refused(server: Server, health: Health, query: str) -> None:
    """Each is followed by a deletion, in case it opened the door."""
    made = (
        "CREATE TABLE scene.t AS SELECT 1 AS n",
        "CREATE SEQUENCE scene.s",
        "CREATE FUNCTION scene.delete() RETURNS int LANGUAGE sql AS 'DELETE FROM scene.t RETURNING 1'",
    )
    with schema(server, *made):
        deletes = {"name": "after", "query": "SELECT scene.delete()"}
        report = ask(health, {"name": "writer", "query": query}, deletes)
        assert "after" in report.unavailable()
        assert server.value("SELECT count(*) FROM scene.t") == 1
        assert server.value("SELECT is_called FROM scene.s") is False
        assert server.value("SELECT to_regclass('scene.other') IS NULL")


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM scene.t",
        "/* SELECT */ DROP TABLE scene.t",
        "TRUNCATE scene.t",
        "CREATE TEMP TABLE mine AS SELECT 1",
        "DO 'BEGIN DELETE FROM scene.t; END'",
        "SET default_transaction_read_only = off",
        "COMMIT",
        "EXPLAIN ANALYZE DELETE FROM scene.t",
    ],
)
def test_what_is_no_question_is_refused(server: Server, health: Health, query: str) -> None:
    with schema(server, "CREATE TABLE scene.t AS SELECT 1 AS n"):
        with pytest.raises(Failed, match="a check is one SELECT"):
            ask(health, {"name": "writer", "query": query})
        assert server.value("SELECT count(*) FROM scene.t") == 1


@pytest.mark.parametrize(
    "query",
    [
        "COMMIT; DROP TABLE scene.t",
        "SELECT 1; SELECT 2",
        "SELECT ';' ; DELETE FROM scene.t",
        "SELECT $$;$$; DELETE FROM scene.t",
        "SELECT 1; /* a comment */ DELETE FROM scene.t",
        "SELECT E'\\';' ; DELETE FROM scene.t --'",
        'SELECT 1 AS ";" ; DELETE FROM scene.t',
    ],
)
def test_several_statements_are_refused(server: Server, health: Health, query: str) -> None:
    with schema(server, "CREATE TABLE scene.t AS SELECT 1 AS n"):
        with pytest.raises(Failed, match="more than one statement"):
            ask(health, {"name": "two", "query": query})
        assert server.value("SELECT count(*) FROM scene.t") == 1
