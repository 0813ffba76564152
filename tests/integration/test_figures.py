"""Figures that would be plausible and wrong if a question were put a little otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lab.waiting import wait_until
from tests.integration.faults import configuration, replication, sessions, tables
from tests.integration.faults.scene import database, held, running, schema, settled
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


@pytest.mark.parametrize(
    ("options", "due"),
    [
        # 50 and a fifth of 900 rows are more than the 100 that are dead.
        ("fillfactor = 90", 0),
        ("autovacuum_vacuum_scale_factor = 0", 1),
        ("autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 101", 0),
        ("autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 5", 1),
        ("autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 15", 0),
    ],
)
def test_a_table_waits_for_vacuum_by_its_own_settings(server: Server, health: Health, options: str, due: int) -> None:
    filled = ("CREATE TABLE t AS SELECT generate_series(1, 900) AS n", f"ALTER TABLE t SET ({options})")
    dead = "SELECT n_dead_tup = %s FROM pg_stat_user_tables WHERE relname = 't'"

    def backlog() -> tuple[int, int]:
        (found,) = health("tables", databases=[name]).metrics["tables"]["vacuum_backlog"]
        return found["tables_due"], found["tables_excluded"]

    with database(server) as name:
        server.run(*filled, "VACUUM ANALYZE t", database=name)
        settled(server, "no dead row is left", dead, [0], database=name)
        # A catalog that all databases share may be due already, from what other tests made and dropped.
        shared, excluded = backlog()
        server.run("DELETE FROM t WHERE n <= 100", database=name)
        settled(server, "the dead rows are counted", dead, [100], database=name)
        assert backlog() == (shared + due, excluded)


def test_room_that_is_left_on_purpose_is_not_wasted(server: Server, health: Health) -> None:
    with schema(
        server,
        "CREATE TABLE scene.t (n int, pad text) WITH (fillfactor = 20)",
        "INSERT INTO scene.t SELECT n, repeat('x', 100) FROM generate_series(1, 20000) n",
        "CREATE INDEX loose ON scene.t (n) WITH (fillfactor = 20)",
        "VACUUM ANALYZE scene.t",
    ):
        found = health("bloat", limit=100).metrics["bloat"]
    (table,) = (row["wasted_percent"] for row in found["table_bloat"] if row["table"] == "scene.t")
    (index,) = (row["wasted_percent"] for row in found["index_bloat"] if row["index"] == "scene.loose")
    assert table < 25
    assert index < 25


def test_indexes_are_the_same_only_where_they_hold_the_same(server: Server, health: Health) -> None:
    """By their conditions and expressions too, wherever these stood in the statement."""
    with schema(
        server,
        "CREATE TABLE scene.t (n int, m int)",
        "CREATE INDEX small ON scene.t (n) WHERE m < 1",
        "CREATE INDEX larger ON scene.t (n) WHERE m < 2",
        "CREATE INDEX whole ON scene.t (n)",
        "CREATE INDEX next ON scene.t ((n + 1))",
        "CREATE INDEX after ON scene.t ((n + 2))",
    ):
        rows = health("indexes", limit=100).metrics["indexes"]["duplicate_indexes"]
        assert [row for row in rows if row["table"] == "scene.t"] == []
        again = (
            "CREATE INDEX small_again ON scene.t (n)   WHERE m < 1",
            "CREATE INDEX next_again ON scene.t (  (n + 1))",
        )
        server.run(*again)
        rows = health("indexes", limit=100).metrics["indexes"]["duplicate_indexes"]
        found = sorted(row["indexes"] for row in rows if row["table"] == "scene.t")
        assert found == [["next", "next_again"], ["small", "small_again"]]
