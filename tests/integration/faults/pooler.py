"""PgBouncer with fewer server connections than clients want."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import psycopg2

from lab.waiting import wait_until
from tests.integration.servers import POOLER_PORT, Server


def parameters(server: Server, database: str = "app", user: str = "client") -> dict[str, Any]:
    return {
        "host": server.node.ip,
        "port": POOLER_PORT,
        "dbname": database,
        "user": user,
        "password": server.passwords[user],
        "connect_timeout": 10,
    }


@contextlib.contextmanager
def through_pooler(server: Server) -> Iterator[Any]:
    connection = psycopg2.connect(**parameters(server))
    connection.autocommit = True
    try:
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def exhausted_pool(server: Server, waiting: int = 2) -> Iterator[str]:
    """One client in a transaction holds the only server connection; others wait for it."""
    with contextlib.ExitStack() as stack:
        holder = stack.enter_context(through_pooler(server))
        waiters = [stack.enter_context(through_pooler(server)) for _ in range(waiting)]
        threads = [threading.Thread(target=_ask, args=(waiter,)) for waiter in waiters]
        with holder.cursor() as cursor:
            cursor.execute("BEGIN")
            for thread in threads:
                thread.start()
            try:
                wait_until("clients wait in the pool", lambda: longest_wait(server, waiting) > 0.2)
                yield "app/postgres"
            finally:
                cursor.execute("ROLLBACK")
                for thread in threads:
                    thread.join()


@contextlib.contextmanager
def many_pooler_clients(server: Server) -> Iterator[None]:
    """Half of the clients that the pooler takes."""
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(through_pooler(server))
        yield None


def _ask(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def longest_wait(server: Server, waiting: int) -> float:
    """How long the first of the clients has waited, by the console; 0 until so many wait."""
    console = psycopg2.connect(**parameters(server, "pgbouncer", "stats"))
    console.autocommit = True
    try:
        with console.cursor() as cursor:
            cursor.execute("SHOW POOLS")
            names = [column.name for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    finally:
        console.close()
    pool = next(row for row in rows if row["database"] == "app")
    if pool["cl_waiting"] < waiting:
        return 0.0
    return float(pool["maxwait"] + pool["maxwait_us"] / 1e6)


@contextlib.contextmanager
def stopped(server: Server) -> Iterator[None]:
    """No PgBouncer at all."""
    # Not by its service: on Debian 11 that is a script which returns before anything has ended.
    pid = server.node.exec(["cat", "/var/run/postgresql/pgbouncer.pid"]).stdout.strip()
    server.node.exec(["kill", "-KILL", pid])
    wait_until("PgBouncer is gone", lambda: not answers(server))
    try:
        yield None
    finally:
        server.node.exec(["systemctl", "restart", "pgbouncer"])
        wait_until("PgBouncer answers", lambda: answers(server))


def answers(server: Server) -> bool:
    try:
        psycopg2.connect(**parameters(server, "pgbouncer", "stats")).close()
    except psycopg2.OperationalError:
        return False
    return True


def console(server: Server) -> dict[str, Any]:
    """The module's options that lead to the admin console."""
    return {
        "login_host": server.node.ip,
        "login_port": POOLER_PORT,
        "login_user": "stats",
        "login_password": server.passwords["stats"],
    }
