"""Run on the node: hold open sessions of every kind a busy server has, for a bounded time.

    python3 bench-sessions DATABASE SECONDS

It prints "held" once they are all there. Debian's own Python and driver are all it needs.
"""

from __future__ import annotations

import select
import sys
import time

import psycopg2
import psycopg2.extensions as driver

IDLE, ACTIVE, IN_TRANSACTION, WAITING = 150, 30, 15, 5


def finish(connection: driver.connection) -> None:
    """Wait for what the connection does now."""
    while (state := connection.poll()) != driver.POLL_OK:
        reading = state == driver.POLL_READ
        select.select([connection] if reading else [], [] if reading else [connection], [], 30)


def session(database: str, kind: str, *statements: str) -> driver.connection:
    """A session that has run all of its statements but the last, which it has only begun."""
    # Asynchronous, so that one process can hold sessions that wait.
    connection = psycopg2.connect(dbname=database, user="app", application_name=f"app-{kind}", async_=True)
    finish(connection)
    cursor = connection.cursor()
    for number, statement in enumerate(statements):
        cursor.execute(statement)
        if number < len(statements) - 1 or kind in ("idle", "in-transaction"):
            finish(connection)
        else:
            connection.poll()  # send it
    return connection


def hold(database: str, seconds: float) -> list[driver.connection]:
    change = "UPDATE ledger.account_{:05} SET note = 'held' WHERE id = 1"
    sleep = f"SELECT pg_sleep({seconds:.0f})"
    return [
        *(session(database, "idle", "SELECT count(*) FROM ledger.account_00101") for _ in range(IDLE)),
        *(session(database, "active", sleep) for _ in range(ACTIVE)),
        *(session(database, "in-transaction", "BEGIN", change.format(10 * n + 11)) for n in range(IN_TRANSACTION)),
        *(session(database, "waiting", "BEGIN", change.format(10 * n + 11)) for n in range(WAITING)),
    ]


if __name__ == "__main__":
    held = hold(sys.argv[1], float(sys.argv[2]))
    print("held", len(held), flush=True)
    time.sleep(float(sys.argv[2]))
