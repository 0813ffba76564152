"""Partitions come and go as stated, for each kind of key and whatever is there already."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2 import sql

from tests.integration.partitions import Partitions

NUMBERS = "CREATE TABLE t (k {kind} NOT NULL) PARTITION BY RANGE (k)"


def part(name: str, lower: object, upper: object, suffix: str = "") -> str:
    return f"CREATE TABLE {name} PARTITION OF t FOR VALUES FROM ({lower}) TO ({upper}) {suffix}"


def test_months_ahead_and_nothing_the_second_time(partitions: Partitions) -> None:
    partitions.run("CREATE TABLE events (id int, at timestamptz, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)")
    result = partitions.done({"table": "events", "interval": "month", "ahead": 3, "behind": 1})
    told = result["tables"][0]
    assert len(told["created"]) == 5
    assert partitions.names("events") == sorted(told["created"])
    assert all(name.startswith("events_p20") for name in told["created"])
    assert told["table"] == "public.events"
    assert len(told["steps"]) == 5
    partitions.run("INSERT INTO events SELECT 1, now() + n * interval '1 month' FROM generate_series(-1, 3) n")


@pytest.mark.parametrize(
    ("kind", "interval"),
    [
        ("date", "month"),
        ("timestamp", "6 hours"),
        ("timestamp(3)", "week"),
        ("timestamptz", "hour"),
        ("timestamptz(0)", "quarter"),
    ],
)
def test_keys_of_time(partitions: Partitions, kind: str, interval: str) -> None:
    partitions.run(NUMBERS.format(kind=kind))
    result = partitions.done({"table": "t", "interval": interval, "ahead": 2, "behind": 1})
    assert len(result["tables"][0]["created"]) == 4
    assert all(text.startswith("FOR VALUES FROM ('20") for _name, text in partitions.bounds("t"))
    partitions.run("INSERT INTO t SELECT now()")


@pytest.mark.parametrize("kind", ["smallint", "integer", "bigint"])
def test_keys_that_are_numbers(partitions: Partitions, kind: str) -> None:
    partitions.run(NUMBERS.format(kind=kind))
    partitions.done({"table": "t", "interval": "100", "ahead": 2})
    assert partitions.names("t") == ["t_p0", "t_p100", "t_p200"]
    partitions.run("INSERT INTO t VALUES (250)")
    partitions.done({"table": "t", "interval": "100", "ahead": 2})
    assert partitions.names("t") == ["t_p0", "t_p100", "t_p200", "t_p300", "t_p400"]


@pytest.mark.parametrize(("kind", "end"), [("smallint", 2**15 - 1), ("integer", 2**31 - 1), ("bigint", 2**63 - 1)])
def test_numbers_end_with_their_type(partitions: Partitions, kind: str, end: int) -> None:
    partitions.run(NUMBERS.format(kind=kind), part("whatever", 0, end - 5), part("later", end - 5, "MAXVALUE"))
    partitions.run(sql.SQL("INSERT INTO t VALUES ({})").format(sql.Literal(end)), "DROP TABLE whatever")
    partitions.done({"table": "t", "interval": "1000", "ahead": 5, "behind": 1})
    insert = sql.SQL("INSERT INTO t VALUES ({})").format(sql.Literal(end - 1000))
    partitions.run("ALTER TABLE t DETACH PARTITION later", insert)
    partitions.done({"table": "t", "interval": "1000", "ahead": 5})
    partitions.run("INSERT INTO t SELECT * FROM later")


def test_keys_that_are_expressions(partitions: Partitions) -> None:
    partitions.run(
        "CREATE FUNCTION when_made(id uuid) RETURNS timestamptz IMMUTABLE LANGUAGE sql AS"
        " $$ SELECT to_timestamp(('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0) $$",
        "CREATE TABLE t (id uuid, n int) PARTITION BY RANGE (when_made(id))",
        'CREATE TABLE u (n bigint, "m{o}%s" int) PARTITION BY RANGE ((n + "m{o}%s"))',
    )
    partitions.done({"table": "t", "interval": "day", "ahead": 1}, {"table": "u", "interval": "10", "ahead": 1})
    millis = "lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0')"
    partitions.run(f"INSERT INTO t SELECT ({millis} || '7000800000000000dead')::uuid, 1")
    partitions.run("INSERT INTO u VALUES (7, 8)")
    partitions.done({"table": "u", "interval": "10", "ahead": 1})
    assert partitions.names("u") == ["u_p0", "u_p10", "u_p20"]


def test_local_days(partitions: Partitions) -> None:
    partitions.run(NUMBERS.format(kind="timestamptz"))
    partitions.done({"table": "t", "interval": "day", "timezone": "Asia/Kathmandu", "ahead": 1})
    assert all("18:15:00+00" in bound for _name, bound in partitions.bounds("t"))


def test_times_far_from_ours(partitions: Partitions) -> None:
    """BC and five-digit years are bounds as any others; infinities are no end, or nothing."""
    partitions.run(
        NUMBERS.format(kind="timestamp"),
        part("old", "'0044-03-15 BC'", "'0001-01-01 BC'"),
        part("far", "'12026-01-01'", "'infinity'"),
        part("never", "'infinity'", "MAXVALUE"),
    )
    result = partitions.done(
        {"table": "t", "interval": "year", "ahead": 1, "retention": "5 years", "on_expiry": "detach"}
    )
    assert result["tables"][0]["detached"] == ["old"]
    assert [warning for warning in result["tables"][0]["warnings"] if "never are not understood" in warning]
    assert {"far", "never"} < set(partitions.names("t"))


def test_gaps_are_filled_and_odd_bounds_respected(partitions: Partitions) -> None:
    partitions.run(
        NUMBERS.format(kind="bigint"),
        part("oldest", "MINVALUE", 7),
        part("odd", 12, 33),
        part("whole", 40, 50),
        "INSERT INTO t VALUES (32)",
    )
    result = partitions.done({"table": "t", "interval": "10", "ahead": 3, "behind": 5})
    assert dict(partitions.bounds("t")) == {
        "oldest": "FOR VALUES FROM (MINVALUE) TO ('7')",
        "t_p7": "FOR VALUES FROM ('7') TO ('10')",
        "t_p10": "FOR VALUES FROM ('10') TO ('12')",
        "odd": "FOR VALUES FROM ('12') TO ('33')",
        "t_p33": "FOR VALUES FROM ('33') TO ('40')",
        "whole": "FOR VALUES FROM ('40') TO ('50')",
        "t_p50": "FOR VALUES FROM ('50') TO ('60')",
        "t_p60": "FOR VALUES FROM ('60') TO ('70')",
    }
    assert len([warning for warning in result["tables"][0]["warnings"] if "of a period" in warning]) == 3


def test_what_is_partitioned_below_is_left_in_peace(partitions: Partitions) -> None:
    partitions.run(
        NUMBERS.format(kind="bigint"),
        part("below", 0, 10, "PARTITION BY LIST (k)"),
        "CREATE TABLE deeper PARTITION OF below DEFAULT",
        part("plain", 10, 20),
        part("last", 50, 60),
        "INSERT INTO t VALUES (55)",
    )
    wish: dict[str, Any] = {"table": "t", "interval": "10", "ahead": 1, "retention": "10", "on_expiry": "drop"}
    result = partitions.done(wish)
    assert result["tables"][0]["dropped"] == ["plain"]
    assert {"below", "last"} <= set(partitions.names("t"))
    assert any("below is partitioned itself" in warning for warning in result["tables"][0]["warnings"])


def test_many_tables_in_one_call_that_want_the_same_name(partitions: Partitions) -> None:
    long = "t" * 60
    tables = [f"{long}aaa", f"{long}bbb"]
    partitions.run(*(f"CREATE TABLE {name} (k date) PARTITION BY RANGE (k)" for name in tables))
    result = partitions.done(*({"table": name, "interval": "day", "ahead": 2} for name in tables))
    made = [name for table in result["tables"] for name in table["created"]]
    assert len(set(made)) == 6
    assert all(len(name) <= 63 for name in made)


def test_names_that_are_taken_by_anything(partitions: Partitions) -> None:
    partitions.run(
        NUMBERS.format(kind="bigint"),
        "CREATE SEQUENCE t_p0",
        "CREATE TYPE t_p10 AS ENUM ('a')",
        "CREATE TABLE t_p20 ()",
    )
    result = partitions.done({"table": "t", "interval": "10", "ahead": 2})
    assert [name.rpartition("_")[0] for name in result["tables"][0]["created"]] == ["t_p0", "t_p10", "t_p20"]


def test_the_diff_lists_all_partitions(partitions: Partitions) -> None:
    partitions.run(NUMBERS.format(kind="bigint"), part("a", 0, 10), part("b", 10, 20), "INSERT INTO t VALUES (15)")
    wish = {"table": "t", "interval": "10", "ahead": 1, "retention": "1 partition", "on_expiry": "detach"}
    assert partitions(wish, check=True)["diff"] == [
        {
            "before_header": "public.t",
            "after_header": "public.t",
            "before": "a from 0 to 10\nb from 10 to 20\n",
            "after": "a from 0 to 10\nb from 10 to 20\nt_p20 from 20 to 30\n",
        }
    ]
    partitions.done(wish)


def test_check_mode_cannot_write(partitions: Partitions) -> None:
    """Also where somebody's key does: the session is read-only."""
    partitions.run(
        "CREATE TABLE log (n int)",
        "CREATE FUNCTION note() RETURNS void LANGUAGE sql AS $$ INSERT INTO log VALUES (1) $$",
        "CREATE FUNCTION noted(n bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM note(); RETURN n; END $$",
        "CREATE TABLE t (k bigint) PARTITION BY RANGE (noted(k))",
        part("a", 0, 10),
        "INSERT INTO t VALUES (1)",
        "TRUNCATE log",
    )
    result = partitions({"table": "t", "interval": "10"}, check=True)
    assert "read-only" in result["msg"]
    assert partitions.value("SELECT count(*) FROM log") == 0
