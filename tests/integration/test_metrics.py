"""What is shown beside the findings: who blocks whom, what runs, what costs most."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from lab.waiting import wait_until
from tests.integration.faults import databases, replication, sessions, tables, wal
from tests.integration.faults.scene import database, held, running, schema, settled
from tests.integration.runner import Health
from tests.integration.servers import Server


def test_blocking_tree(server: Server, health: Health) -> None:
    """Three levels; the root is the one that waits for nobody."""
    with sessions.lock_chain(server) as (root, middle, leaf):
        report = health("sessions", thresholds={"blocked_seconds": {"warning": 0.1}})
        (tree,) = report.metrics["sessions"]["blocking"]
        assert tree["pid"] == root
        assert tree["state"] == "idle in transaction"
        (first,) = tree["blocks"]
        assert first["pid"] == middle
        assert first["lock"] == "AccessExclusiveLock on relation"
        assert first["waiting_seconds"] > 0
        assert [each["pid"] for each in first["blocks"]] == [leaf]
        assert first["blocks"][0]["blocks"] == []
        (finding,) = report.findings("blocked_seconds")
        assert "blocks 2 sessions" in finding["message"]
        assert str(root) in finding["message"]


def test_no_tree_without_a_wait(server: Server, health: Health) -> None:
    with schema(server, "CREATE TABLE scene.t (n int)"), held(server, "LOCK TABLE scene.t"):
        assert health("sessions").metrics["sessions"]["blocking"] == []


def test_a_prepared_transaction_is_a_root(server: Server, health: Health) -> None:
    """It holds its locks without having a session to be named."""
    with schema(server, "CREATE TABLE scene.t (n int)"):
        server.run("BEGIN", "LOCK TABLE scene.t", "PREPARE TRANSACTION 'left'")
        try:
            with running(server, "LOCK TABLE scene.t", before=("BEGIN",), waits="Lock") as waiter:
                sessions.aged(server, waiter, "query_start")
                report = health("sessions", thresholds={"blocked_seconds": {"warning": 0.1}})
                (tree,) = report.metrics["sessions"]["blocking"]
                assert [each["pid"] for each in tree["blocks"]] == [waiter]
                (finding,) = report.findings("blocked_seconds")
                assert finding["object"] == "prepared transaction"
        finally:
            server.run("ROLLBACK PREPARED 'left'")


def test_session_totals(server: Server, health: Health) -> None:
    clients = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    # The pooler keeps the sessions of earlier tests for later clients.
    server.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    with sessions.busy_sessions(server), held(server, "SELECT 1"), server.connect() as idle, idle.cursor() as cursor:

        def are_alone() -> bool:
            """Sessions that were closed before take a moment to go."""
            cursor.execute(clients)
            return bool(cursor.fetchone() == (5,))

        wait_until("no other session is left", are_alone, pause=0.02)
        totals = health("sessions").metrics["sessions"]["session_totals"]
    assert (totals["active"], totals["idle_in_transaction"], totals["idle"], totals["clients"]) == (3, 1, 1, 5)
    assert totals["max_connections"] == 40
    assert totals["used_percent"] == 12.5
    assert totals["reserved_connections"] == 3


def test_running_vacuum_is_shown(server: Server, health: Health) -> None:
    with tables.running_vacuum(server) as name:
        (work,) = health("progress").metrics["progress"]["running_work"]
        assert (work["operation"], work["object"]) == ("VACUUM", name)
        assert work["phase"]
        assert work["total"] > 0
        assert 0 <= work["done_percent"] <= 100


def test_running_index_build_is_shown_and_no_fault(server: Server, health: Health) -> None:
    with tables.index_being_built(server) as name:
        report = health("progress", "indexes")
        (work,) = report.metrics["progress"]["running_work"]
        assert (work["operation"], work["object"]) == ("CREATE INDEX CONCURRENTLY", name)
        assert work["phase"].startswith("waiting for")
        assert report.findings("invalid_index") == []
    with schema(server):
        assert health("progress").metrics["progress"]["running_work"] == []


@pytest.mark.parametrize(
    "statement",
    [
        "DROP INDEX CONCURRENTLY scene.plain",
        "REINDEX INDEX CONCURRENTLY scene.plain",
        "REINDEX TABLE CONCURRENTLY scene.t",
    ],
)
def test_an_index_being_rebuilt_or_dropped_is_no_fault(server: Server, health: Health, statement: str) -> None:
    with tables.index_worked_on(server, statement):
        assert health("indexes").findings("invalid_index") == []


def unused(health: Health) -> dict[str, float]:
    rows = health("indexes", limit=100).metrics["indexes"]["unused_indexes"]
    return {row["index"]: row["statistics_days"] for row in rows if row["index"].startswith("scene.")}


def test_only_an_index_nobody_needs_counts_as_unused(server: Server, health: Health) -> None:
    """CLUSTER and replication name some, and a partition's part goes only with the whole."""
    statements = (
        *tables.FILLED,
        "ALTER TABLE scene.t ALTER n SET NOT NULL",
        "CREATE INDEX idle ON scene.t (n)",
        "CREATE INDEX clustered ON scene.t (n)",
        "CREATE UNIQUE INDEX named ON scene.t (n)",
        "ALTER TABLE scene.t CLUSTER ON clustered",
        "ALTER TABLE scene.t REPLICA IDENTITY USING INDEX named",
        # No rule of the server's own lets a plain index be the identity; this one tells the two apart.
        "UPDATE pg_index SET indisunique = false WHERE indexrelid = 'scene.named'::regclass",
        "CREATE TABLE scene.split (n int) PARTITION BY RANGE (n)",
        "CREATE TABLE scene.one PARTITION OF scene.split FOR VALUES FROM (0) TO (10)",
        "CREATE INDEX ON scene.split (n)",
    )
    with schema(server, *statements):
        assert set(unused(health)) == {"scene.idle"}


def test_how_long_an_index_went_unused_begins_with_the_statistics(server: Server, health: Health) -> None:
    with schema(server, *tables.FILLED, "CREATE INDEX idle ON scene.t (n)"):
        server.run("SELECT pg_stat_reset()")
        settled(
            server, "the reset is seen", "SELECT stats_reset IS NOT NULL FROM pg_stat_database WHERE datname = 'app'"
        )
        assert 0 <= unused(health)["scene.idle"] < 0.01


@contextlib.contextmanager
def base_backup(server: Server) -> Iterator[None]:
    """A base backup throttled so that it takes as long as it is needed."""
    connection = replication.replication_connection({**server.parameters(), "application_name": "backup"})
    rate = "(MAX_RATE 32)" if server.version >= 15 else "MAX_RATE 32"

    def run() -> None:
        with contextlib.suppress(Exception):
            connection.cursor().execute(f"BASE_BACKUP {rate}")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        settled(server, "the backup runs", "SELECT count(*) > 0 FROM pg_stat_progress_basebackup")
        yield
    finally:
        while thread.is_alive():
            server.value("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_replication WHERE state = 'backup'")
            thread.join(0.2)
        connection.close()


def test_running_base_backup_is_shown(server: Server, health: Health) -> None:
    with base_backup(server):
        report = health("progress", "replication")
        (work,) = report.metrics["progress"]["base_backups"]
        assert work["operation"] == "BASE BACKUP"
        assert report.findings("replica_not_streaming") == []


def test_running_copy_is_shown(server: Server, health: Health) -> None:
    """COPY shows its progress from version 14 on."""
    slow = "COPY (SELECT pg_sleep(0.05) FROM generate_series(1, 100000)) TO '/dev/null'"
    with running(server, slow, waits="PgSleep"):
        work = health("progress").metrics["progress"]["running_work"]
        assert [each["operation"] for each in work] == (["COPY TO"] if server.version >= 14 else [])


def test_heaviest_statements(server: Server, health: Health) -> None:
    server.run("SELECT pg_stat_statements_reset()")
    with databases.slow_statement(server) as query_id:
        first, *_rest = health("statements").metrics["statements"]["statements"]
        assert first["query_id"] == query_id
        assert first["role"] == "postgres"
        assert first["statement_database"] == "app"
        assert first["calls"] == 1
        assert first["total_seconds"] >= 0.3
        assert first["total_percent"] > 50


def test_missing_pg_stat_statements_is_said(server: Server, health: Health) -> None:
    with database(server) as name:
        report = health("statements", login_db=name, databases=[name])
        assert "CREATE EXTENSION pg_stat_statements" in report.unavailable()["statements"]
        assert "statements" not in report.metrics


def test_pg_stat_statements_in_a_schema_of_its_own(server: Server, health: Health) -> None:
    with database(server) as name:
        made = ('CREATE SCHEMA "my ""stats"', 'CREATE EXTENSION pg_stat_statements SCHEMA "my ""stats"')
        server.run(*made, database=name)
        report = health("statements", login_db=name, databases=[name])
        assert report.unavailable() == {}
        assert report.metrics["statements"]["statements"]


def test_names_put_before_the_catalogue_do_not_mislead(server: Server, health: Health) -> None:
    """A view or function of a user's own that is called like the server's is not asked."""
    with database(server) as name:
        trap = (
            "CREATE VIEW public.pg_stat_activity AS SELECT 1 AS trap",
            "CREATE FUNCTION public.count(int) RETURNS int LANGUAGE sql AS 'SELECT 1/0'",
            f"ALTER DATABASE {name} SET search_path = public, pg_catalog",
        )
        server.run(*trap, database=name)
        assert set(health("sessions", "tables", "server", login_db=name, databases=[name]).unavailable()) == set()


def test_a_database_half_dropped_costs_nothing_else(server: Server, health: Health) -> None:
    with databases.interrupted_drop(server) as name:
        report = health("databases", "tables", databases=None)
        assert report.unavailable() == {}
        assert name not in {row["database"] for row in report.metrics["databases"]["database_sizes"]}
        assert name not in {row["database"] for row in report.metrics["databases"]["database_activity"]}


def test_databases_that_take_no_connections_age_too(server: Server, health: Health) -> None:
    with database(server) as name:
        server.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", database="postgres")
        ages = {
            row["database"]: row["xid_age"] for row in health("databases").metrics["databases"]["database_activity"]
        }
    assert ages[name] > 0
    assert ages["template0"] > 0


def test_damage_of_the_shared_catalogues_is_counted_apart(health: Health) -> None:
    shared = health("databases").metrics["databases"]["shared_catalogs"]
    assert (shared["checksum_failures"], shared["last_checksum_failure"]) == (0, None)


def test_statistics_that_were_never_reset_are_as_old_as_the_cluster(server: Server, health: Health) -> None:
    """The upper half of the system identifier is the second in which initdb ran."""
    assert server.value("SELECT stats_reset IS NULL FROM pg_stat_database WHERE datname = 'template0'")
    age = "SELECT extract(epoch FROM clock_timestamp())::float8 - (system_identifier >> 32) FROM pg_control_system()"
    before = server.value(age)
    rows = health("databases").metrics["databases"]["database_activity"]
    after = server.value(age)
    (found,) = (row["statistics_age_seconds"] for row in rows if row["database"] == "template0")
    assert before - 0.001 <= found <= after + 0.001


def test_a_database_with_a_table_elsewhere_is_told_from_others(server: Server, health: Health) -> None:
    with database(server) as name:
        server.node.exec(["install", "-d", "-o", "postgres", "-m", "0700", "/var/lib/postgresql/elsewhere"])
        server.run("CREATE TABLESPACE elsewhere LOCATION '/var/lib/postgresql/elsewhere'", database="postgres")
        try:
            server.run("CREATE TABLE t (n int) TABLESPACE elsewhere", database=name)
            for user in ("postgres", "monitor", "plain"):
                rows = health("databases", user=user).metrics["databases"]["database_sizes"]
                assert {row["database"] for row in rows if row["other_tablespaces"]} == {name}
            server.run("DROP TABLE t", "CHECKPOINT", database=name)
        finally:
            server.run("DROP TABLE IF EXISTS t", "DROP TABLESPACE elsewhere", database=name)


def test_a_slot_that_waits_on_a_standby_is_no_finding(server: Server, health: Health) -> None:
    server.run("SELECT pg_create_physical_replication_slot('in_reserve', true)", standby=True)
    try:
        report = health("replication", standby=True)
        assert "in_reserve" in {slot["name"] for slot in report.metrics["replication"]["replication_slots"]}
        assert report.findings("slot_inactive") == []
    finally:
        server.run("SELECT pg_drop_replication_slot('in_reserve')", standby=True)


def test_a_first_failure_after_a_quiet_time_is_no_disaster(server: Server, health: Health) -> None:
    """Failing for as long as a file waits, not for as long as there was nothing to archive."""
    wal.switch(server)
    success = "SELECT clock_timestamp() - last_archived_time > '1 s' FROM pg_stat_archiver"
    settled(server, "the last success was a while ago", success)
    waited = """
        SELECT extract(epoch FROM clock_timestamp() - min(modification))::float8
          FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"""
    with wal.failing_archiver(server):
        (finding,) = health("wal").findings("archive_failing_seconds")
        assert finding["value"] <= server.value(waited)


def test_an_idle_server_runs_no_transactions(server: Server, health: Health) -> None:
    """However many databases there are to ask, our own questions are nobody's traffic."""
    names = [f"idle{number}" for number in range(15)]
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(database(server, name))
        report = health(
            databases=names,
            baseline={"transactions_per_second": 1000},
            sample_seconds=2,
            thresholds={"transaction_rate_deviation_percent": {"warning": 0}},
        )
    (finding,) = report.findings("transaction_rate_deviation_percent")
    # Much less than all these questions, and more than the server does of its own accord.
    assert report.metrics["databases"]["transaction_rate"]["transactions_per_second"] < 15
    assert finding["value"] > 98


def test_sizes_and_ages(server: Server, health: Health) -> None:
    report = health("databases", "storage", "wal", "replication")
    sizes = {row["database"]: row["bytes"] for row in report.metrics["databases"]["database_sizes"]}
    assert sizes["app"] == server.value("SELECT pg_database_size('app')")
    paths = {row["purpose"]: row["path"] for row in report.metrics["storage"]["storage_paths"]}
    assert paths["data directory"] == server.primary.data_directory
    assert paths["WAL"] == f"{server.primary.data_directory}/pg_wal"
    assert report.metrics["wal"]["wal_directory"]["files"] > 0
    assert report.metrics["wal"]["archiver"]["mode"] == "on"
    (replica,) = report.metrics["replication"]["replicas"]
    assert replica["state"] == "streaming"
    (slot,) = report.metrics["replication"]["replication_slots"]
    assert slot["name"] == replica["name"] == replication.standby_name(server)
    assert slot["active"]
