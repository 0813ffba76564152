"""What is past its time leaves, by age or by count, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2 import sql

from tests.integration.partitions import Partitions

TABLE = "CREATE TABLE t (k bigint PRIMARY KEY, x text) PARTITION BY RANGE (k)"
ROWS = "INSERT INTO t SELECT n, 'x' FROM generate_series(0, 59) n"
EXISTS = "SELECT to_regclass(%s) IS NOT NULL"


def filled(partitions: Partitions, *more: str) -> None:
    """Six partitions, the last of which holds now."""
    parts = [f"CREATE TABLE p{n} PARTITION OF t FOR VALUES FROM ({n}) TO ({n + 10})" for n in range(0, 60, 10)]
    partitions.run(TABLE, *parts, ROWS, *more)


def wish(**more: Any) -> dict[str, Any]:
    return {"table": "t", "interval": "10", "ahead": 0, **more}


@pytest.mark.parametrize(
    ("retention", "gone"),
    [("10", 4), ("25", 3), ("2 partitions", 3), ("5 partitions", 0), ("1000", 0), ("1 partition", 4)],
)
def test_age_and_count(partitions: Partitions, retention: str, gone: int) -> None:
    filled(partitions)
    result = partitions.done(wish(retention=retention, on_expiry="detach"))
    names = [f"p{n}" for n in range(0, 10 * gone, 10)]
    assert result["tables"][0]["detached"] == names
    assert result["changed"] is bool(gone)
    assert partitions.value("SELECT count(*) FROM t") == 60 - 10 * gone
    for name in names:
        assert partitions.value(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))) == 10


def test_drop(partitions: Partitions) -> None:
    filled(partitions, "CREATE PUBLICATION p FOR TABLE t")
    result = partitions.done(wish(retention="20", on_expiry="drop"))
    assert result["tables"][0]["dropped"] == result["tables"][0]["detached"] == ["p0", "p10", "p20"]
    assert not partitions.value(EXISTS, ["p0"])
    assert partitions.value("SELECT count(*) FROM t") == 30


def test_drop_beside_a_default_partition(partitions: Partitions) -> None:
    """There the server cannot detach concurrently."""
    filled(
        partitions,
        "CREATE TABLE rest PARTITION OF t DEFAULT",
        "INSERT INTO t VALUES (1000)",
        "DELETE FROM t WHERE k = 1000",
    )
    assert partitions.done(wish(retention="20", on_expiry="drop"))["tables"][0]["dropped"] == ["p0", "p10", "p20"]


def test_calendar_ages(partitions: Partitions) -> None:
    partitions.run(
        "CREATE TABLE t (k date) PARTITION BY RANGE (k)",
        "CREATE TABLE old PARTITION OF t FOR VALUES FROM ('2000-01-01') TO ('2000-02-01')",
        "CREATE TABLE open PARTITION OF t FOR VALUES FROM ('2000-02-01') TO (MAXVALUE)",
    )
    result = partitions.done({"table": "t", "interval": "month", "retention": "12 months", "on_expiry": "drop"})
    assert result["tables"][0]["dropped"] == ["old"]
    assert partitions.names("t") == ["open"]


def test_the_last_partition_stays(partitions: Partitions) -> None:
    partitions.run(
        "CREATE TABLE t (k date) PARTITION BY RANGE (k)",
        "CREATE TABLE a PARTITION OF t FOR VALUES FROM ('2000-01-01') TO ('2000-02-01')",
        "CREATE TABLE b PARTITION OF t FOR VALUES FROM ('2000-02-01') TO ('2000-03-01')",
    )
    far = {"start": "2099-01-01", "retention": "1 month", "on_expiry": "drop"}
    result = partitions.done({"table": "t", "interval": "month", **far})
    assert result["tables"][0]["dropped"] == ["a"]
    assert partitions.names("t") == ["b"]


def test_a_partition_that_others_need_fails_its_table_alone(partitions: Partitions) -> None:
    filled(
        partitions,
        "CREATE VIEW v AS SELECT * FROM p0",
        "CREATE TABLE u (k bigint) PARTITION BY RANGE (k)",
    )
    result = partitions(wish(retention="40", on_expiry="drop"), {"table": "u", "interval": "10"})
    assert result["failed"]
    assert "other objects depend on it" in result["msg"]
    assert result["msg"].count("public.t") >= 1
    assert result["tables"][0]["detached"] == ["p0"]
    assert result["tables"][0]["failure"]
    assert partitions.names("u")
    partitions.run("DROP VIEW v")
    assert partitions.done(wish(retention="40", on_expiry="drop"))["tables"][0]["dropped"] == ["p0"]


def test_rows_that_are_referred_to_keep_their_partition(partitions: Partitions) -> None:
    filled(partitions, "CREATE TABLE source (k bigint REFERENCES t)", "INSERT INTO source VALUES (5)")
    result = partitions(wish(retention="40", on_expiry="drop"))
    assert result["failed"]
    assert "foreign key" in result["msg"]
    assert "p0" in partitions.names("t")
    # What was said about it does not outlive the wish.
    partitions.done(wish())
    assert partitions.value("SELECT obj_description('p0'::regclass, 'pg_class')") is None


def test_a_comment_comes_back_when_its_partition_stays(partitions: Partitions) -> None:
    filled(partitions, "CREATE TABLE source (k bigint REFERENCES t)", "INSERT INTO source VALUES (5)")
    partitions.run("COMMENT ON TABLE p0 IS E'two\\nlines'")
    assert partitions(wish(retention="40", on_expiry="drop"))["failed"]
    partitions.done(wish())
    assert partitions.value("SELECT obj_description('p0'::regclass, 'pg_class')") == "two\nlines"
