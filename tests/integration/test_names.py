"""Names come back as they are, whatever they hold, and nothing in them is ever run."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

import pytest
from psycopg2 import sql

from tests.integration.faults.scene import database, held, running, settled
from tests.integration.runner import Health
from tests.integration.servers import Server

NAMES = [
    'it\'s "quoted"',
    "x'; DROP TABLE witness; --",
    '"; DROP TABLE witness; --',
    "100% %s %(limit)s %%",
    "{view} {0} {}",
    "Ünïcödé 表 🐘",
    "two\nlines\tand a tab",
    "back\\slash \\' $1 $$",
    "ä" * 31 + "z",  # 63 bytes
    " leading and trailing ",
    "a.b",
]
PASSWORD = secrets.token_urlsafe(12)


def q(template: str, **names: str) -> sql.Composable:
    return sql.SQL(template).format(**{key: sql.Identifier(name) for key, name in names.items()})


@contextlib.contextmanager
def role(server: Server, name: str) -> Iterator[str]:
    made = sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}")
    server.run(made.format(sql.Identifier(name), sql.Literal(PASSWORD)), database="postgres")
    try:
        yield name
    finally:
        server.run(q("DROP ROLE {role}", role=name), database="postgres")


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_hostile_names(server: Server, health: Health, name: str) -> None:
    """One name for everything that may have one: database, schema, table, sequence, index, role, transaction."""
    things = {"schema": name, "table": name, "index": name[:20] + "_i", "sequence": name[:20] + "_s"}
    with database(server, name), role(server, name):
        server.run(
            "CREATE TABLE witness (n int)",
            q("CREATE SCHEMA {schema}", **things),
            q("CREATE TABLE {schema}.{table} (n int)", **things),
            q("INSERT INTO {schema}.{table} SELECT generate_series(1, 100000)", **things),
            q("DELETE FROM {schema}.{table} WHERE n % 2 = 0", **things),
            q("CREATE INDEX {index} ON {schema}.{table} (n)", **things),
            q("ANALYZE {schema}.{table}", **things),
            q("CREATE SEQUENCE {schema}.{sequence} MAXVALUE 10 START 10", **things),
            sql.SQL("SELECT nextval({})").format(sql.Literal(regclass(things))),
            database=name,
        )
        settled(
            server,
            "the dead rows are counted",
            "SELECT count(*) > 0 FROM pg_stat_user_tables WHERE n_dead_tup >= 50000",
            database=name,
        )
        busy = running(
            server,
            "SELECT pg_sleep(600)",
            waits="PgSleep",
            database=name,
            user=name,
            password=PASSWORD,
            application_name='it\'s "an" app; --',
        )
        with busy as pid:
            levels = {
                "unused_index_bytes": {"info": 0, "floor": 0},
                "slow_query_seconds": {"warning": 0},
                "table_bloat_percent": {"warning": 1, "floor": 0},
                "vacuum_tables_due": {"warning": 0},
            }
            report = health(databases=[name], thresholds=levels, limit=1000)
        table = f"{name}.{name}"
        objects = {finding["check"]: finding["object"] for finding in report.findings() if finding["database"] == name}
        assert objects["dead_rows"] == table
        assert objects["unused_index_bytes"] == f"{name}.{things['index']}"
        assert objects["sequence_used_percent"] == f"{name}.{things['sequence']}"
        assert objects["vacuum_tables_due"] == name
        assert objects["slow_query_seconds"] == f"pid {pid}"
        (session,) = [row for row in report.metrics["sessions"]["active_queries"] if row["pid"] == pid]
        assert (session["role"], session["database"]) == (name, name)
        assert name in [row["database"] for row in report.metrics["databases"]["database_sizes"]]
        assert set(report.unavailable()) == {"backups", "disks", "statements"}
        assert server.value("SELECT count(*) FROM witness", database=name) == 0
        # Asked from within that database, and left out by its own name.
        again = health("sequences", login_db=name, databases=None)
        assert f"{name}.{things['sequence']}" in [finding["object"] for finding in again.findings()]


def regclass(things: dict[str, str]) -> str:
    """A sequence's name as nextval() reads it."""
    quoted = ['"' + things[key].replace('"', '""') + '"' for key in ("schema", "sequence")]
    return ".".join(quoted)


def test_hostile_transaction_and_check(server: Server, health: Health) -> None:
    gid = "x'; DROP TABLE witness; -- %s \" {}"
    quoted = sql.Literal(gid)
    prepare = sql.SQL("PREPARE TRANSACTION {}").format(quoted)
    with database(server) as name, held(server, database=name):
        server.run("CREATE TABLE witness (n int)", database=name)
        server.run("BEGIN", "INSERT INTO witness VALUES (1)", prepare, database=name)
        try:
            report = health("sessions", thresholds={"prepared_transaction_seconds": {"warning": 0}})
            assert [finding["object"] for finding in report.findings("prepared_transaction_seconds")] == [gid]
            check = {"name": gid, "query": "SELECT 1, E'a\\nb''c'", "warning": 0}
            report = health("custom", checks=[check])
            assert report.unavailable() == {}
            (finding,) = report.findings()
            assert (finding["check"], finding["object"]) == (gid, "a\nb'c")
        finally:
            server.run(sql.SQL("ROLLBACK PREPARED {}").format(quoted), database=name)
        assert server.value("SELECT count(*) FROM witness", database=name) == 0
