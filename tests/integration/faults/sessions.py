"""Sessions that are too many, too slow, idle, or in each other's way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from psycopg2 import sql
from psycopg2.errors import DeadlockDetected

from lab.waiting import wait_until
from tests.integration.faults.scene import database, held, running, schema, settled
from tests.integration.servers import Server


@contextlib.contextmanager
def crowd(server: Server) -> Iterator[None]:
    """Half of the connections taken by idle sessions."""
    with contextlib.ExitStack() as stack:
        for _ in range(server.value("SELECT current_setting('max_connections')::int / 2")):
            stack.enter_context(server.connect())
        yield None


@contextlib.contextmanager
def busy_sessions(server: Server) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(running(server, "SELECT pg_sleep(600)", waits="PgSleep"))
        yield None


@contextlib.contextmanager
def slow_query(server: Server) -> Iterator[str]:
    with running(server, "SELECT pg_sleep(600)", waits="PgSleep") as pid:
        aged(server, pid, "query_start")
        yield f"pid {pid}"


@contextlib.contextmanager
def slow_query_anywhere(server: Server) -> Iterator[None]:
    """The same, for the check that speaks of the longest query without naming its session."""
    with slow_query(server):
        yield None


@contextlib.contextmanager
def idle_transaction(server: Server) -> Iterator[str]:
    with held(server, "SELECT 1") as pid:
        aged(server, pid, "state_change")
        yield f"pid {pid}"


@contextlib.contextmanager
def idle_session(server: Server) -> Iterator[str]:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        pid = connection.info.backend_pid
        aged(server, pid, "state_change")
        yield f"pid {pid}"


@contextlib.contextmanager
def lock_chain(server: Server) -> Iterator[tuple[int, int, int]]:
    """Three sessions, each waiting for the one before it; their pids, the root first.

    The first holds one table, the second holds another and wants the first, the
    third wants the second's.
    """
    tables = ("CREATE TABLE scene.one (n int)", "CREATE TABLE scene.two (n int)")
    with (
        schema(server, *tables),
        held(server, "LOCK TABLE scene.one") as root,
        running(server, "LOCK TABLE scene.one", before=("BEGIN", "LOCK TABLE scene.two"), waits="Lock") as middle,
        running(server, "LOCK TABLE scene.two", before=("BEGIN",), waits="Lock") as leaf,
    ):
        for pid in (middle, leaf):
            aged(server, pid, "query_start")
        yield root, middle, leaf


@contextlib.contextmanager
def blocked(server: Server) -> Iterator[str]:
    with lock_chain(server) as (root, _middle, _leaf):
        yield f"pid {root}"


@contextlib.contextmanager
def waiting(server: Server) -> Iterator[None]:
    with lock_chain(server):
        yield None


@contextlib.contextmanager
def prepared_transaction(server: Server) -> Iterator[str]:
    gid = "left 'behind'"
    with schema(server, "CREATE TABLE scene.t (n int)"):
        server.run("BEGIN", "INSERT INTO scene.t VALUES (1)", "PREPARE TRANSACTION 'left ''behind'''")
        try:
            old = "SELECT clock_timestamp() > prepared + interval '0.2 s' FROM pg_prepared_xacts WHERE gid = %s"
            settled(server, "the prepared transaction is old enough", old, [gid])
            yield gid
        finally:
            server.run("ROLLBACK PREPARED 'left ''behind'''")


@contextlib.contextmanager
def deadlocks(server: Server) -> Iterator[str]:
    """Two deadlocks, each between two sessions that want each other's table."""
    with database(server) as name:
        server.run("CREATE TABLE one (n int)", "CREATE TABLE two (n int)", database=name)
        for _ in range(2):
            deadlock(server, name)
        counted = "SELECT deadlocks >= 2 FROM pg_stat_database WHERE datname = %s"
        settled(server, "both deadlocks are counted", counted, [name])
        yield name


def deadlock(server: Server, name: str) -> None:
    """Whichever of the two notices the circle first is given up; the other goes on."""
    wants_one = running(server, "LOCK TABLE one", before=("BEGIN", "LOCK TABLE two"), waits="Lock", database=name)
    with server.connect(name) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE one")
        with wants_one, contextlib.suppress(DeadlockDetected):
            cursor.execute("LOCK TABLE two")


def aged(server: Server, pid: int, since: str) -> None:
    """Wait until the session has been in its state for longer than the tests' thresholds."""
    query = sql.SQL("SELECT clock_timestamp() > {} + interval '0.3 s' FROM pg_stat_activity WHERE pid = %s").format(
        sql.Identifier(since)
    )
    wait_until(f"pid {pid} is old enough", lambda: server.value(query, [pid]), pause=0.05)
