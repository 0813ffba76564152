"""Streams of rows end in time, whoever it is that hangs, and an error is the one of who made it."""

from __future__ import annotations

import threading
import time

import pytest
from psycopg2 import sql

from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Silent, Unreachable
from lab.waiting import wait_until
from tests.integration.servers import Server

ENDLESS = sql.SQL("COPY (SELECT repeat('x', 1000), generate_series(1, 3000000)) TO STDOUT")
SLEEPING = sql.SQL("COPY (SELECT pg_sleep(60)) TO STDOUT")


def connected(server: Server) -> CopyConnection:
    return CopyConnection(server.parameters("postgres"), stall_seconds=1)


def nothing() -> None:
    """What is not stuck need not be ended."""


def test_a_server_that_sends_nothing_is_given_up(server: Server) -> None:
    started = time.monotonic()
    with connected(server) as connection, pytest.raises(Silent, match="did not go on"):
        connection.copy_out(SLEEPING, lambda _data: None, nothing)
    assert time.monotonic() - started < 10
    # Nobody told the server, which would go on sleeping under our name.
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY (SELECT pg_sleep%'")
    left = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY (SELECT pg_sleep%%'"
    wait_until("it is gone", lambda: server.value(left) == 0)


def test_a_stopped_backend_is_given_up(server: Server) -> None:
    with connected(server) as connection:
        pid = str(connection.fetch("SELECT pg_backend_pid() AS pid")[0]["pid"])

        def stop(_data: bytes) -> None:
            server.node.exec(["kill", "-STOP", pid])

        try:
            with pytest.raises(Silent):
                connection.copy_out(ENDLESS, stop, nothing)
        finally:
            server.node.exec(["kill", "-CONT", pid])


def test_whoever_takes_the_rows_and_hangs_is_ended(server: Server) -> None:
    stuck = threading.Event()

    def hang(_data: bytes) -> None:
        stuck.wait(30)

    started = time.monotonic()
    with connected(server) as connection, pytest.raises(Silent):
        connection.copy_out(ENDLESS, hang, stuck.set)
    assert time.monotonic() - started < 10


def test_an_error_of_who_takes_or_gives_rows_is_kept(server: Server) -> None:
    class Mine(Exception):
        """Not the driver's."""

    def refuse(_data: object) -> bytes:
        raise Mine

    with connected(server) as connection, pytest.raises(Mine):
        connection.copy_out(ENDLESS, refuse, nothing)  # type: ignore[arg-type]
    with connected(server) as connection:
        connection.fetch("CREATE TEMP TABLE held (line text)")
        with pytest.raises(Mine):
            connection.copy_in(sql.SQL("COPY held FROM STDIN"), refuse, nothing)
        assert connection.fetch("SELECT count(*) AS n FROM held")[0]["n"] == 0


def test_errors_of_the_server_are_sentences(server: Server) -> None:
    with connected(server) as connection, pytest.raises(QueryFailed, match="does not exist"):
        connection.fetch("SELECT 1 FROM nowhere")
    with pytest.raises(Unreachable, match="refused the connection"):
        CopyConnection({**server.parameters("nowhere")})


def test_a_role_cannot_change_how_values_are_written(server: Server) -> None:
    server.run("ALTER ROLE postgres SET extra_float_digits = 0", database="postgres")
    server.run("ALTER ROLE postgres SET bytea_output = 'escape'", database="postgres")
    held: list[bytes] = []
    try:
        with connected(server) as connection:
            statement = sql.SQL(
                "COPY (SELECT 0.1::float8 + 0.2, '\\x5c'::bytea, 'a'::text) TO STDOUT WITH (FORMAT csv)"
            )
            assert connection.copy_out(statement, held.append, nothing) == 1
    finally:
        server.run("ALTER ROLE postgres RESET ALL", database="postgres")
    assert b"".join(held) == b"0.30000000000000004,\\x5c,a\n"
