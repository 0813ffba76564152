"""One month of one table by a function in the database: alike to what pg_partition makes, and only where wanted."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import threading
from typing import Any

import psycopg2
import pytest
from ansible.module_utils.testing import patch_module_args
from psycopg2 import sql

from tests.integration.partitions import Partitions
from tests.integration.test_partition_names import HOSTILE, quoted
from tests.integration.traffic import traffic

MODULE = "ansible_collections.runbook.postgres.plugins.modules.pg_partition_function"

# What somebody can see of a table, without its name, oid and bounds.
SEEN = """
SELECT pg_get_userbyid(c.relowner)::text, c.relacl::text, c.reloptions, t.reloptions, c.relrowsecurity,
       c.relforcerowsecurity, c.relreplident::text, c.reltablespace,
       (SELECT array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull
                         || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || coalesce(a.attacl::text, '')
                         ORDER BY a.attnum)
          FROM pg_attribute a LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
         WHERE a.attrelid = c.oid AND a.attnum > 0),
       (SELECT array_agg(regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING', '') || i.indisreplident ORDER BY 1)
          FROM (SELECT * FROM pg_index WHERE indrelid = c.oid ORDER BY indkey::text, indisprimary) i),
       (SELECT array_agg(format('%%s %%s %%s %%s %%s %%s', polname, polpermissive, polcmd, polroles,
                                pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) ORDER BY polname)
          FROM pg_policy WHERE polrelid = c.oid),
       (SELECT array_agg(pg_get_constraintdef(k.oid) ORDER BY contype, pg_get_constraintdef(k.oid))
          FROM pg_constraint k WHERE conrelid = c.oid)
  FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.oid = %s::regclass
"""


def call(partitions: Partitions, *, check: bool = False, user: str = "postgres", **options: Any) -> dict[str, Any]:
    arguments = partitions.arguments(user=user)
    del arguments["tables"]
    arguments |= {"_ansible_check_mode": check, "_ansible_diff": True, **options}
    out = io.StringIO()
    with patch_module_args(arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        importlib.import_module(MODULE).main()
    return dict(json.loads(out.getvalue()))


@pytest.fixture
def months(partitions: Partitions) -> Partitions:
    assert call(partitions)["changed"]
    return partitions


def made(partitions: Partitions, table: str, *more: object, user: str = "postgres") -> str:
    marks = ", ".join(["%s"] * (1 + len(more)))
    with partitions.connect(user) as cursor:
        cursor.execute(f"SELECT create_month({marks})::text", [table, *more])
        return str(cursor.fetchone()[0])


def test_there_when_wanted_brought_up_to_date_and_gone(partitions: Partitions) -> None:
    foretold = call(partitions, check=True)
    assert (foretold["changed"], partitions.value("SELECT to_regproc('create_month')::text")) == (True, None)
    result = call(partitions)
    assert result["steps"] == foretold["steps"] == ["create function public.create_month"]
    assert result["diff"] == foretold["diff"]
    assert call(partitions)["changed"] is False
    partitions.run("ALTER FUNCTION create_month SECURITY DEFINER")
    assert call(partitions, check=True)["steps"] == ["bring up to date function public.create_month"]
    call(partitions)
    assert partitions.value("SELECT prosecdef FROM pg_proc WHERE proname = 'create_month'") is False
    assert call(partitions)["changed"] is False
    assert call(partitions, state="absent")["steps"] == ["drop function public.create_month"]
    assert partitions.value("SELECT to_regproc('create_month')::text") is None
    assert call(partitions, state="absent")["changed"] is False


def test_what_is_refused_is_left_as_it_is(partitions: Partitions) -> None:
    partitions.run(
        "CREATE FUNCTION create_month(regclass, int, int, text) RETURNS int LANGUAGE sql AS 'SELECT 7'",
        "CREATE SCHEMA theirs",
    )
    for state in ("present", "absent"):
        assert "that is not ours: choose another name" in call(partitions, state=state)["msg"]
    assert partitions.value("SELECT create_month(NULL, 1, 1, '')") == 7
    assert "There is no schema nowhere" in call(partitions, schema="nowhere")["msg"]
    assert "may not create functions in schema theirs" in call(partitions, schema="theirs", user="plain")["msg"]
    call(partitions, schema="theirs")
    assert "belongs to role postgres" in call(partitions, schema="theirs", state="absent", user="plain")["msg"]


@pytest.mark.parametrize(
    ("kind", "zone", "bounds"),
    [
        ("date", [], "FROM ('2024-02-01') TO ('2024-03-01')"),
        ("timestamp", [], "FROM ('2024-02-01 00:00:00') TO ('2024-03-01 00:00:00')"),
        ("timestamptz", [], "FROM ('2024-02-01 00:00:00+00') TO ('2024-03-01 00:00:00+00')"),
        ("timestamptz", ["America/New_York"], "FROM ('2024-02-01 05:00:00+00') TO ('2024-03-01 05:00:00+00')"),
    ],
)
def test_a_month_is_made_once_and_pg_partition_knows_it(
    months: Partitions, kind: str, zone: list[str], bounds: str
) -> None:
    months.run(f"CREATE TABLE t (at {kind}) PARTITION BY RANGE (at)")
    assert made(months, "t", 2024, 2, *zone) == made(months, "t", 2024, 2, *zone) == "t_p2024_02"
    assert months.bounds("t") == [("t_p2024_02", f"FOR VALUES {bounds}")]
    wish = {"table": "t", "interval": "month", "ahead": 0, "timezone": (zone or ["UTC"])[0]}
    again = months({**wish, "start": "2024-02-01", "behind": 10_000, "ahead": 0}, check=True)
    assert "t_p2024_02" not in again["tables"][0]["created"]
    assert again["tables"][0]["created"][0] == "t_p2024_03"
    assert again["tables"][0]["warnings"] == []


def test_summer_time_begins_and_ends_within_months(months: Partitions) -> None:
    months.run("CREATE TABLE t (at timestamptz) PARTITION BY RANGE (at)")
    for month in range(1, 13):
        made(months, "t", 2026, month, "Europe/Berlin")
    ends = [bound.split("'")[1::2] for _name, bound in months.bounds("t")]
    assert [upper for _lower, upper in ends[:-1]] == [lower for lower, _upper in ends[1:]]
    assert ends[3] == ["2026-03-31 22:00:00+00", "2026-04-30 22:00:00+00"]


@pytest.mark.parametrize("identity", ["FULL", "NOTHING", "USING INDEX t_pkey", "DEFAULT"])
def test_alike_to_what_pg_partition_makes(months: Partitions, identity: str) -> None:
    months.run(
        "CREATE TABLE target (id int PRIMARY KEY)",
        'CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, "At" timestamptz NOT NULL DEFAULT now(), x text,'
        ' target int REFERENCES target, CHECK (id > 0), PRIMARY KEY (id, "At")) PARTITION BY RANGE ("At")',
        "CREATE INDEX ON t (lower(x)) WHERE x IS NOT NULL",
        "CREATE TABLE t_first PARTITION OF t FOR VALUES FROM ('2020-01-01 00:00:00+00') TO ('2020-02-01 00:00:00+00')"
        " WITH (fillfactor = 70, toast.autovacuum_enabled = off)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE t FORCE ROW LEVEL SECURITY",
        "CREATE POLICY own ON t AS RESTRICTIVE FOR UPDATE TO plain, PUBLIC USING (x = 'y') WITH CHECK (id > 1)",
        f"ALTER TABLE t REPLICA IDENTITY {identity}",
        "GRANT SELECT, INSERT ON t TO PUBLIC",
        "GRANT UPDATE (x) ON t TO plain WITH GRANT OPTION",
        "ALTER DEFAULT PRIVILEGES GRANT TRUNCATE ON TABLES TO plain",
        "ALTER TABLE t OWNER TO plain",
    )
    by_function = made(months, "t", 2030, 1)
    [by_module] = months({"table": "t", "interval": "month", "ahead": 0})["tables"][0]["created"]
    assert months.rows(SEEN, [by_function]) == months.rows(SEEN, [by_module])


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(partitions: Partitions, name: str) -> None:
    table = sql.Identifier(name, name)
    partitions.run(
        "CREATE TABLE bystander ()",
        sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)),
        sql.SQL("CREATE TABLE {} ({} date) PARTITION BY RANGE ({})").format(table, *[sql.Identifier(name)] * 2),
    )
    assert call(partitions, schema=name, name=name)["changed"]
    assert call(partitions, schema=name, name=name)["changed"] is False
    function, title = sql.Identifier(name, name), f"{quoted(name)}.{quoted(name)}"
    made_there = sql.SQL("SELECT {}({}, 2026, 12)").format(function, sql.Literal(title))
    partitions.run(made_there, made_there)
    assert len(partitions.names(title)) == 1
    assert partitions.names(title)[0].endswith("_p2026_12")
    assert call(partitions, schema=name, name=name, state="absent")["changed"]


def test_long_names_that_would_be_one(months: Partitions) -> None:
    first, second = "n" * 60, "n" * 61
    for name in (first, second):
        months.run(f"CREATE TABLE {name} (at date) PARTITION BY RANGE (at)")
        made(months, name, 2026, 12)
    [one], [other] = months.names(first), months.names(second)
    assert one != other
    assert "_p2026_12" in other


@pytest.mark.parametrize(
    ("table", "arguments", "words"),
    [
        ("plain", [2026, 1], "plain is not partitioned"),
        ("listed", [2026, 1], "there are no months"),
        ("hashed", [2026, 1], "there are no months"),
        ("numbers", [2026, 1], "there are no months"),
        ("two", [2026, 1], "there are no months"),
        ("computed", [2026, 1], "there are no months"),
        ("good", [2026, 13], "there is no month 13 of year 2026"),
        ("good", [0, 1], "there is no month 1 of year 0"),
        ("good", [None, 1], "there is no month 1"),
        ("good", [2026, 1, "Nowhere/At_all"], "not recognized"),
        ("good", [2025, 1], "would overlap partition"),
        ("resting", [2026, 1], "would be violated by some row"),
    ],
)
def test_what_has_no_such_month(months: Partitions, table: str, arguments: list[Any], words: str) -> None:
    months.run(
        "CREATE TABLE plain (at date)",
        "CREATE TABLE listed (at date) PARTITION BY LIST (at)",
        "CREATE TABLE hashed (at date) PARTITION BY HASH (at)",
        "CREATE TABLE numbers (at int) PARTITION BY RANGE (at)",
        "CREATE TABLE two (at date, b int) PARTITION BY RANGE (at, b)",
        "CREATE TABLE computed (at date) PARTITION BY RANGE ((at + 1))",
        "CREATE TABLE good (at timestamptz) PARTITION BY RANGE (at)",
        "CREATE TABLE year PARTITION OF good FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2026-01-01 00:00+00')",
        "CREATE TABLE resting (at date) PARTITION BY RANGE (at)",
        "CREATE TABLE rest PARTITION OF resting DEFAULT",
        "INSERT INTO resting VALUES ('2026-01-15')",
    )
    before = months.fingerprint()
    with pytest.raises(psycopg2.Error, match=words):
        made(months, table, *arguments)
    assert months.fingerprint() == before


def test_an_owner_without_special_powers_and_somebody_else(months: Partitions) -> None:
    months.run("CREATE TABLE t (at date) PARTITION BY RANGE (at)")
    with pytest.raises(psycopg2.Error, match=r"permission denied|must be owner"):
        made(months, "t", 2026, 1, user="plain")
    months.run("ALTER TABLE t OWNER TO plain")
    assert made(months, "t", 2026, 1, user="plain") == "t_p2026_01"


def test_many_at_once_and_writers_go_on(months: Partitions) -> None:
    """The same month by several sessions is made once; who waited too long for the others calls again."""
    months.run(
        "CREATE TABLE t (at date) PARTITION BY RANGE (at)",
        "CREATE TABLE now PARTITION OF t FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
    )
    results: list[str] = []

    def session(month: int) -> None:
        while True:
            with contextlib.suppress(psycopg2.errors.LockNotAvailable):
                results.append(made(months, "t", 2026, month))
                return

    with traffic(months, "INSERT INTO t VALUES ('2020-05-05')", "SELECT count(*) FROM t") as toll:
        threads = [threading.Thread(target=session, args=(1 + n % 2,)) for n in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(60)
    assert sorted(results) == ["t_p2026_01"] * 2 + ["t_p2026_02"] * 2
    assert toll.failures == []
    assert months.value("SELECT count(*) FROM t") == toll.inserted


def test_a_lock_that_is_not_had_is_given_up(months: Partitions) -> None:
    months.run("CREATE TABLE t (at date) PARTITION BY RANGE (at)")
    with months.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            made(months, "t", 2026, 1)
    assert months.names("t") == []


def test_installed_by_nobody_who_did_not_ask(partitions: Partitions) -> None:
    partitions.run("CREATE TABLE t (k bigint) PARTITION BY RANGE (k)")
    partitions({"table": "t", "interval": "10"})
    assert partitions.value("SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace") == 0
