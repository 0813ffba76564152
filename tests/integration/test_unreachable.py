"""Servers that are not there, do not let us in, or stop answering: said in time and in one sentence."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from lab.docker import docker
from lab.waiting import wait_until
from tests.integration.faults.pooler import console
from tests.integration.faults.replication import wait_for_standby
from tests.integration.runner import Failed, Health, Report
from tests.integration.servers import COMMON, POOLER_PORT, Server

BOUND: dict[str, Any] = {"connect_timeout": 1, "query_timeout": 1, "timeout": 4}
# The limits above, the grace a hung server gets, and room for a slow machine.
PATIENCE = 15.0


def reported(health: Health, *subsets: str, **options: Any) -> Report:
    started = time.monotonic()
    report = health(*subsets, on_unreachable="report", **BOUND, **options)
    assert time.monotonic() - started < PATIENCE
    return report


def assert_down(health: Health, *words: str, **options: Any) -> None:
    """Both answers to `on_unreachable` say the same, as a sentence."""
    report = reported(health, **options)
    assert report.status == "down"
    (finding,) = report.findings()
    assert (finding["check"], finding["severity"]) == ("unreachable", "critical")
    with pytest.raises(Failed) as failed:
        health(on_unreachable="fail", **BOUND, **options)
    for sentence in (finding["message"], str(failed.value)):
        assert all(word in sentence for word in words), sentence
        assert "\n" not in sentence
        assert sentence.endswith(".")
        assert str(options.get("login_password", "no password")) not in sentence


def test_nobody_listens(health: Health) -> None:
    assert_down(health, "refused", login_port=1)


def test_unknown_host(health: Health) -> None:
    assert_down(health, "nowhere.invalid", login_host="nowhere.invalid")


def test_wrong_password(health: Health) -> None:
    assert_down(health, "password authentication failed", login_password="not-the-one")


def test_unknown_database(health: Health) -> None:
    assert_down(health, 'database "nowhere" does not exist', login_db="nowhere")


def test_hostile_database_and_user(health: Health) -> None:
    name = "x'; DROP TABLE t; -- \" %s {}"
    assert_down(health, "DROP TABLE", login_db=name)
    assert_down(health, "DROP TABLE", login_user=name)


def test_no_socket(health: Health) -> None:
    assert_down(health, "/nowhere", login_host="", login_unix_socket="/nowhere")


def test_too_many_clients(server: Server, health: Health) -> None:
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                stack.enter_context(server.connect(user="monitor"))
        assert_down(health, "connection slots", user="monitor")


@contextlib.contextmanager
def stopped_postmaster(server: Server) -> Iterator[None]:
    """The kernel still takes connections, nobody answers them."""
    pid = server.node.exec(["head", "-n1", f"{server.primary.data_directory}/postmaster.pid"]).stdout.strip()
    server.node.exec(["kill", "-STOP", pid])
    try:
        yield
    finally:
        server.node.exec(["kill", "-CONT", pid])


def test_hung_server(server: Server, health: Health) -> None:
    with stopped_postmaster(server):
        assert_down(health, "does not answer")
    assert health("server").status == "ok"


def test_server_hangs_in_the_middle(server: Server, health: Health) -> None:
    """The whole machine freezes while a query of ours runs, and in another database than the first."""
    frozen = threading.Event()

    def freeze() -> None:
        asleep = (
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' AND pid <> pg_backend_pid()"
        )
        wait_until("the module's query runs", lambda: server.value(asleep), pause=0.05)
        docker("pause", server.node.container)
        frozen.set()

    thread = threading.Thread(target=freeze)
    thread.start()
    try:
        sleeps = {"name": "sleeps", "query": "SELECT pg_sleep(3600)", "database": "app"}
        report = health(
            "custom",
            checks=[sleeps],
            on_unreachable="report",
            query_timeout=20,
            timeout=5,
        )
    finally:
        thread.join()
        docker("unpause", server.node.container, check=False)
    assert frozen.is_set()
    assert report.status == "down"
    assert "does not answer" in report.findings("unreachable")[0]["message"]
    assert report.health["server"]["role"] == "primary"
    assert health("server").status == "ok"


def test_session_is_killed_in_the_middle(server: Server, health: Health) -> None:
    """Somebody restarts the server, or ends our session, while we ask."""

    def kill() -> None:
        asleep = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3601)%' AND pid <> pg_backend_pid()"
        wait_until("the module's query runs", lambda: server.value(asleep), pause=0.05)
        server.value(f"SELECT pg_terminate_backend(({asleep}))")

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        sleeps = {"name": "sleeps", "query": "SELECT pg_sleep(3601)"}
        report = health("custom", checks=[sleeps], on_unreachable="report", query_timeout=20)
    finally:
        thread.join()
    assert report.status == "down"
    assert report.findings("unreachable")[0]["message"].endswith(".")


def test_total_time_limit(server: Server, health: Health) -> None:
    """What is not asked in time is listed, and the rest is there."""
    del server
    slow = [{"name": f"slow{n}", "query": "SELECT pg_sleep(3600)"} for n in range(20)]
    started = time.monotonic()
    report = health("server", "custom", checks=slow, query_timeout=1, timeout=2.5)
    assert time.monotonic() - started < PATIENCE
    assert set(report.unavailable()) == {check["name"] for check in slow} | {"connection"}
    assert report.status == "ok"
    assert "hba_errors" in report.metrics["server"]
    assert "timeout" in report.unavailable()["slow19"]


def test_starting_up(server: Server, health: Health) -> None:
    """A standby that lets nobody in, as any server that still recovers from a crash."""
    cluster = server.standby
    cluster.configure({"listen_addresses": "*", **COMMON, "hot_standby": "off"})
    try:
        cluster.stop()
        server.node.exec(["systemctl", "start", cluster.unit])
        assert_down(health, "PostgreSQL at", standby=True)
    finally:
        cluster.configure({"listen_addresses": "*", **COMMON})
        cluster.restart()
        wait_for_standby(server)


def test_a_pooler_that_hangs_costs_only_itself(server: Server, health: Health) -> None:
    pid = server.node.exec(["cat", "/var/run/postgresql/pgbouncer.pid"]).stdout.strip()
    server.node.exec(["kill", "-STOP", pid])
    try:
        report = reported(health, "server", "pgbouncer", pgbouncer=console(server))
    finally:
        server.node.exec(["kill", "-CONT", pid])
    assert [finding["check"] for finding in report.findings()] == ["pooler_unreachable"]
    assert report.status == "critical"
    assert report.metrics["server"]


def test_a_pooler_in_place_of_the_server_is_refused(server: Server, health: Health) -> None:
    """Through it our limits would not hold, or stay with somebody else's session."""
    through: dict[str, Any] = {
        "login_port": POOLER_PORT,
        "login_user": "client",
        "login_password": server.passwords["client"],
    }
    with pytest.raises(Failed, match="pooler"):
        health(login_db="app", **through)


def test_a_pooler_that_refuses_us_costs_only_itself(server: Server, health: Health) -> None:
    report = health("server", "pgbouncer", pgbouncer={**console(server), "login_password": "not-the-one"})
    (finding,) = report.findings()
    assert finding["check"] == "pooler_unreachable"
    assert "not-the-one" not in report.text


def test_an_unreadable_certificate_is_said(health: Health) -> None:
    assert_down(health, "/nowhere.pem", ssl_mode="verify-full", ca_cert="/nowhere.pem")
