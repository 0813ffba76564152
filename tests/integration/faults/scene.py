"""What faults are made of: places that vanish afterwards, and sessions that hold or run something."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg2
from psycopg2 import sql

from lab.waiting import wait_until
from tests.integration.servers import Server

Statement = str | sql.Composable


@contextlib.contextmanager
def database(server: Server, name: str = "scratch") -> Iterator[str]:
    """A database whose counters start at nothing and go with it."""
    server.run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)), database="postgres")
    try:
        yield name
    finally:
        server.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)), database="postgres")


@contextlib.contextmanager
def schema(server: Server, *statements: Statement, name: str = "scene") -> Iterator[str]:
    """A schema in the shared database, first in the search path of the statements that fill it."""
    quoted = sql.Identifier(name)
    server.run(sql.SQL("CREATE SCHEMA {}").format(quoted))
    try:
        server.run(sql.SQL("SET search_path = {}").format(quoted), *statements)
        yield name
    finally:
        # IF EXISTS: a test may have dropped the whole database.
        server.run(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(quoted))


@contextlib.contextmanager
def held(server: Server, *statements: Statement, database: str = "app", user: str = "postgres") -> Iterator[int]:
    """A session that ran the statements in a transaction and leaves it open; its pid."""
    with server.connect(database, user) as connection, connection.cursor() as cursor:
        for statement in ("BEGIN", *statements):
            cursor.execute(statement)
        yield connection.info.backend_pid


@contextlib.contextmanager
def running(
    server: Server,
    statement: Statement,
    *,
    before: Sequence[Statement] = (),
    waits: str | None = None,
    database: str = "app",
    user: str = "postgres",
    **libpq: Any,
) -> Iterator[int]:
    """A session that is busy with the statement; its pid.

    `waits` is the wait_event or wait_event_type that must be seen first. At the
    end the statement is cancelled.
    """
    with server.connect(database, user, **libpq) as connection:
        with connection.cursor() as cursor:
            for each in before:
                cursor.execute(each)
        pid = connection.info.backend_pid

        def work() -> None:
            with contextlib.suppress(psycopg2.Error), connection.cursor() as cursor:
                cursor.execute(statement)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            wait_until(f"pid {pid} is busy", lambda: busy(server, pid, waits), pause=0.02)
            yield pid
        finally:
            # Not connection.cancel(): it may come before the statement has begun.
            while thread.is_alive():
                server.value("SELECT pg_cancel_backend(%s)", [pid])
                thread.join(0.2)


def busy(server: Server, pid: int, waits: str | None) -> bool:
    query = """
        SELECT state = 'active' AND (%(waits)s IS NULL OR %(waits)s IN (wait_event_type, wait_event))
          FROM pg_stat_activity WHERE pid = %(pid)s"""
    return bool(server.value(query, {"pid": pid, "waits": waits}))


def settled(server: Server, what: str, query: Statement, values: object = None, *, database: str = "app") -> None:
    """Wait until the query's answer is true: counters reach the views a moment later."""
    wait_until(what, lambda: server.value(query, values, database=database), pause=0.05)
