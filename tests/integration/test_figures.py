"""Figures that would be plausible and wrong if a question were put a little otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.waiting import wait_until
from tests.integration.faults import configuration, replication, sessions, tables
from tests.integration.faults.scene import database, held, running, schema
from tests.integration.runner import Health
from tests.integration.servers import Server


def test_idle_means_since_the_last_statement(server: Server, health: Health) -> None:
    """A transaction that has just done something is not idle for as long as it lives."""
    with held(server, "SELECT 1", "SELECT pg_sleep(1)") as pid:
        (found,) = (row for row in health("sessions").metrics["sessions"]["idle_transactions"] if row["pid"] == pid)
        idle = (
            "SELECT extract(epoch FROM clock_timestamp() - state_change)::float8 FROM pg_stat_activity WHERE pid = %s"
        )
        assert found["seconds"] <= server.value(idle, [pid]) + 0.001


def test_a_wait_counts_once_it_outlasts_deadlock_timeout(server: Server, health: Health) -> None:
    """By the setting of the database that is asked in, so that one wait is both a short one and a long one."""
    with database(server) as patient:
        server.run(f"ALTER DATABASE {patient} SET deadlock_timeout = '1h'", database="postgres")
        with sessions.lock_chain(server):
            waiting = {
                name: health("sessions", login_db=name).metrics["sessions"]["session_totals"]["waiting_for_lock"]
                for name in ("postgres", patient)
            }
    assert waiting == {"postgres": 2, patient: 0}


def test_a_replica_that_has_caught_up_lags_by_nothing(server: Server, health: Health) -> None:
    """The server shows the last lag it measured for a while longer."""
    with replication.paused_replay(server):
        pass

    looks: list[Mapping[str, Any]] = []

    def caught_up() -> bool:
        looks[:] = health("replication").metrics["replication"]["replicas"]
        return bool(looks[0]["replay_lag_bytes"] == 0)

    # The server writes WAL of its own now and then, which is not replayed at once.
    wait_until("a look finds it caught up", caught_up)
    assert looks[0]["replay_lag_seconds"] == 0


def test_a_standby_that_archives_nothing_has_no_queue(server: Server, health: Health) -> None:
    """It may have kept marks from the time when it was a primary; archive_mode is on here and not 'always'."""
    mark = f"{server.standby.data_directory}/pg_wal/archive_status/000000010000000000000001.ready"
    server.node.exec(["install", "-o", "postgres", "-m", "0600", "/dev/null", mark])
    try:
        found = health("wal", standby=True).metrics["wal"]
        assert found["archiver"]["mode"] == "on"
        assert found["archive_queue"] == {"files": 0, "oldest_seconds": 0}
    finally:
        server.node.exec(["rm", mark])


def test_wal_that_is_kept_on_purpose_is_accounted_for(server: Server, health: Health) -> None:
    expected = """
        SELECT sum(pg_size_bytes(current_setting(name)))::bigint
          FROM unnest(ARRAY['max_wal_size', 'wal_keep_size']) AS name"""
    assert server.value("SELECT pg_size_bytes(current_setting('wal_keep_size'))") > 0
    assert health("wal").metrics["wal"]["wal_directory"]["expected_bytes"] == server.value(expected)


def test_a_setting_that_waits_for_a_restart_is_no_error(server: Server, health: Health) -> None:
    with configuration.pending_restart(server):
        report = health("server")
        assert report.health["server"]["settings_pending_restart"] == ["max_connections"]
        assert report.metrics["server"]["configuration_errors"] == []
        assert report.findings("configuration_errors") == []


def test_a_vacuum_does_not_hold_vacuum_back(server: Server, health: Health) -> None:
    with tables.running_vacuum(server):
        pid = server.value("SELECT pid FROM pg_stat_progress_vacuum")
        assert server.value("SELECT backend_xmin IS NOT NULL FROM pg_stat_activity WHERE pid = %s", [pid])
        holders = health("databases", limit=100).metrics["databases"]["xmin_holders"]
        assert f"pid {pid}" not in {holder["name"] for holder in holders}


def test_a_query_holds_vacuum_back_without_having_written(server: Server, health: Health) -> None:
    with (
        schema(server, "CREATE TABLE scene.t (n int)"),
        running(server, "SELECT pg_sleep(600)", waits="PgSleep") as pid,
    ):
        holders = health("databases", limit=100).metrics["databases"]["xmin_holders"]
        assert f"pid {pid}" in {holder["name"] for holder in holders}
