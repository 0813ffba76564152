"""What databases count: temporary files, damaged pages, cache misses, old transaction ids."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg2

from tests.integration.faults.scene import database, held, schema, settled
from tests.integration.servers import Server


@contextlib.contextmanager
def temp_files(server: Server) -> Iterator[str]:
    """A sort that does not fit into work_mem."""
    with database(server) as name:
        sort = "SELECT count(*) FROM (SELECT n FROM generate_series(1, 200000) n ORDER BY n DESC) sorted"
        server.run("SET work_mem = '64kB'", sort, database=name)
        settled(
            server,
            "the temporary files are counted",
            "SELECT temp_bytes > 1000000 FROM pg_stat_database WHERE datname = %s",
            [name],
        )
        yield name


@contextlib.contextmanager
def damaged_page(server: Server) -> Iterator[str]:
    """Bytes of a table changed on disk, and read.

    The table is one that CREATE DATABASE copied file by file: no page of it is
    in shared_buffers, so the read meets the damage without a restart.
    """
    with database(server, "pattern"):
        rows = "CREATE TABLE t AS SELECT n, repeat('x', 100) AS pad FROM generate_series(1, 1000) n"
        server.run(rows, database="pattern")
        copy_database(server, "pattern")
    try:
        path = server.value("SELECT pg_relation_filepath('t')", database="scratch")
        where = f"{server.primary.data_directory}/{path}"
        argv = ["dd", f"of={where}", "bs=1", "seek=4000", "conv=notrunc", "status=none"]
        server.node.exec(argv, input="flipped")
        with contextlib.suppress(psycopg2.errors.DataCorrupted):
            server.run("SELECT count(*) FROM t", database="scratch")
            raise AssertionError("The damaged page was read as if it were whole")
        counted = "SELECT checksum_failures > 0 FROM pg_stat_database WHERE datname = 'scratch'"
        settled(server, "the damage is counted", counted)
        yield "scratch"
    finally:
        server.run("DROP DATABASE IF EXISTS scratch WITH (FORCE)", database="postgres")


@contextlib.contextmanager
def cache_misses(server: Server) -> Iterator[str]:
    """A database whose first blocks all come from disk."""
    copy_database(server, "template1")
    try:
        server.run("SELECT count(*) FROM pg_attribute", database="scratch")
        counted = "SELECT blks_read > 10 FROM pg_stat_database WHERE datname = 'scratch'"
        settled(server, "the reads are counted", counted)
        yield "scratch"
    finally:
        server.run("DROP DATABASE scratch WITH (FORCE)", database="postgres")


def copy_database(server: Server, template: str) -> None:
    """CREATE DATABASE file by file, the only way there was until version 15."""
    how = " STRATEGY file_copy" if server.version >= 15 else ""
    server.run(f"CREATE DATABASE scratch TEMPLATE {template}{how}", database="postgres")


@contextlib.contextmanager
def old_transaction_ids(server: Server) -> Iterator[str]:
    """A few transactions and multixacts; the thresholds say that they are many."""
    with database(server) as name:
        server.run("CREATE TABLE t (n int PRIMARY KEY)", "INSERT INTO t VALUES (1)", database=name)
        share = "SELECT * FROM t FOR KEY SHARE"
        # Two sessions that share a row lock need a multixact.
        for _ in range(3):
            with held(server, share, database=name), held(server, share, database=name):
                pass
        yield name


@contextlib.contextmanager
def held_horizon(server: Server) -> Iterator[str]:
    """A snapshot that stays while others' transactions pass."""
    with (
        schema(server, "CREATE TABLE scene.t (n int)"),
        held(server, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM scene.t") as pid,
    ):
        server.run(*["INSERT INTO scene.t VALUES (1)"] * 25)
        yield f"session pid {pid}"


BURN = ("CREATE TABLE scene.t (n int)", *["INSERT INTO scene.t VALUES (1)"] * 25)


@contextlib.contextmanager
def writing_transaction(server: Server) -> Iterator[str]:
    """A writer that sits between two statements of its transaction: a number of its own, and no snapshot."""
    with (
        schema(server, "CREATE TABLE scene.mine (n int)"),
        held(server, "INSERT INTO scene.mine VALUES (1)") as pid,
    ):
        server.run(*BURN)
        bare = "SELECT backend_xmin IS NULL AND backend_xid IS NOT NULL FROM pg_stat_activity WHERE pid = %s"
        settled(server, "the writer holds no snapshot", bare, [pid])
        yield f"session pid {pid}"


@contextlib.contextmanager
def old_slot(server: Server) -> Iterator[str]:
    """A logical slot nobody reads from keeps the catalogue's dead rows."""
    server.run("SELECT pg_create_logical_replication_slot('old_slot', 'test_decoding')")
    try:
        with schema(server, *BURN):
            yield "slot old_slot"
    finally:
        server.run("SELECT pg_drop_replication_slot('old_slot')")


@contextlib.contextmanager
def old_prepared_transaction(server: Server) -> Iterator[str]:
    with schema(server, "CREATE TABLE scene.mine (n int)"):
        server.run("BEGIN", "INSERT INTO scene.mine VALUES (1)", "PREPARE TRANSACTION 'old'")
        try:
            server.run(*BURN)
            yield "prepared transaction old"
        finally:
            server.run("ROLLBACK PREPARED 'old'")


@contextlib.contextmanager
def large_database(server: Server) -> Iterator[str]:
    with database(server) as name:
        rows = "CREATE TABLE t AS SELECT n, repeat('x', 500) AS pad FROM generate_series(1, 60000) n"
        server.run(rows, database=name)
        yield name


@contextlib.contextmanager
def interrupted_drop(server: Server) -> Iterator[str]:
    """What a DROP DATABASE leaves that was interrupted: the mark, and no directory to measure."""
    with database(server) as name:
        directory = server.value("SELECT 'base/' || oid FROM pg_database WHERE datname = %s", [name])
        place = f"{server.primary.data_directory}/{directory}"
        server.run("UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'scratch'", database="postgres")
        server.node.exec(["mv", place, f"{place}.away"])
        try:
            yield name
        finally:
            server.node.exec(["mv", f"{place}.away", place])
            server.run("UPDATE pg_database SET datconnlimit = -1 WHERE datname = 'scratch'", database="postgres")


@contextlib.contextmanager
def idle_against_baseline(server: Server) -> Iterator[None]:
    """Nothing at all happens, and the baseline says that much should."""
    del server
    yield None


@contextlib.contextmanager
def slow_statement(server: Server) -> Iterator[str]:
    """A statement that pg_stat_statements has counted; its query id."""
    server.run("SELECT pg_sleep(0.3) AS deliberately_slow")
    seen = "SELECT queryid::text FROM pg_stat_statements WHERE query LIKE '%AS deliberately_slow%' AND query !~ 'seen'"
    try:
        yield str(server.value(seen))
    finally:
        server.run("SELECT pg_stat_statements_reset()")
