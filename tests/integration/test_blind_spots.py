"""What looked healthy because it was not looked at."""

from __future__ import annotations

from typing import Any

from lab.waiting import wait_until
from tests.integration.faults.scene import schema, settled
from tests.integration.faults.tables import rows_in_default_partition
from tests.integration.runner import Health
from tests.integration.servers import Server


def used(health: Health, sequence: str) -> float:
    rows = health("sequences", limit=1000).metrics["sequences"]["sequences"]
    (found,) = (row["used_percent"] for row in rows if row["sequence"] == sequence)
    return float(found)


def test_a_sequence_ends_with_the_narrowest_column_whose_default_calls_it(server: Server, health: Health) -> None:
    """Nothing says OWNED BY: it was written as a default by hand."""
    with schema(
        server,
        "CREATE SEQUENCE scene.s",
        "CREATE TABLE scene.wide (id bigint DEFAULT nextval('scene.s'))",
        "SELECT setval('scene.s', 2147483640)",
    ):
        assert used(health, "scene.s") < 1
        server.run("CREATE TABLE scene.narrow (id int DEFAULT nextval('scene.s'))")
        assert used(health, "scene.s") > 99.9
        server.run("DROP TABLE scene.narrow")
        assert used(health, "scene.s") < 1


def backlog(health: Health) -> dict[str, Any]:
    (row,) = health("tables").metrics["tables"]["vacuum_backlog"]
    return {key: row[key] for key in ("tables_due", "tables_excluded")}


def test_rows_that_were_only_inserted_make_a_table_due(server: Server, health: Health) -> None:
    off = "ALTER TABLE scene.t SET (autovacuum_vacuum_insert_threshold = -1)"
    own = "ALTER TABLE scene.t SET (autovacuum_vacuum_insert_threshold = 10, autovacuum_vacuum_insert_scale_factor = 0)"
    excluded = "ALTER TABLE scene.t SET (autovacuum_enabled = false)"
    seen = "SELECT n_ins_since_vacuum = 900 FROM pg_stat_user_tables WHERE relid = 'scene.t'::regclass"
    with schema(server, "CREATE TABLE scene.t (n int)", excluded, "INSERT INTO scene.t SELECT generate_series(1, 900)"):
        settled(server, "the rows are counted", seen)
        before = backlog(health)
        server.run(own)
        assert backlog(health)["tables_excluded"] == before["tables_excluded"] + 1
        server.run(off)
        assert backlog(health) == before


def test_rows_in_a_default_partition_are_seen_from_a_standby(server: Server, health: Health) -> None:
    """It counts none itself, and knows what the primary last estimated."""
    with rows_in_default_partition(server):
        server.run("ANALYZE scene.rest")

        def rows_on_the_standby() -> list[int]:
            seen = health("partitions", standby=True).metrics["partitions"]["partitioned_tables"]
            return [row["default_rows"] for row in seen if row["table"] == "scene.t"]

        # Not a word of a lag: the estimate arrives with the WAL.
        wait_until("the estimate has been replayed", lambda: rows_on_the_standby() == [30])


def test_a_table_is_as_large_as_all_that_belongs_to_it(server: Server, health: Health) -> None:
    """Documents lie in its TOAST table, which nobody names when the disk is full."""
    with schema(
        server,
        "CREATE TABLE scene.t (n int PRIMARY KEY, document text)",
        "ALTER TABLE scene.t ALTER document SET STORAGE EXTERNAL",
        "INSERT INTO scene.t SELECT n, repeat(md5(n::text), 1000) FROM generate_series(1, 100) n",
        "VACUUM ANALYZE scene.t",
    ):
        rows = health("tables", limit=1000).metrics["tables"]["tables"]
        (found,) = (row for row in rows if row["table"] == "scene.t")
        size = server.value("SELECT pg_total_relation_size('scene.t')")
        assert found["bytes"] < 100_000 < 3_000_000 < found["total_bytes"] <= size


def test_a_table_behind_row_security_is_said_to_be_unseen(server: Server, health: Health) -> None:
    with schema(
        server,
        "CREATE TABLE scene.t AS SELECT n, repeat('x', 100) AS x FROM generate_series(1, 20000) n",
        "ALTER TABLE scene.t ENABLE ROW LEVEL SECURITY",
        "GRANT USAGE ON SCHEMA scene TO monitor",
        "GRANT SELECT ON scene.t TO monitor",
        "VACUUM ANALYZE scene.t",
    ):
        reason = health("bloat", user="monitor").unavailable()["table_bloat"]
        assert "row security" in reason
        assert "table_bloat" not in health("bloat", user="postgres").unavailable()


def test_a_table_that_vacuum_never_saw_is_said_to_be_unseen(server: Server, health: Health) -> None:
    """The catalogue gives it no pages at all."""
    seen = "SELECT n_live_tup >= 50000 FROM pg_stat_user_tables WHERE relid = 'scene.t'::regclass"
    filled = "INSERT INTO scene.t SELECT generate_series(1, 50000)"
    with schema(server, "CREATE TABLE scene.t (n int) WITH (autovacuum_enabled = false)", filled):
        settled(server, "the rows are counted", seen)
        assert "1 table of 1 MiB" in health("bloat").unavailable()["table_bloat"]
        server.run("ANALYZE scene.t")
        assert "table_bloat" not in health("bloat").unavailable()


def test_a_table_without_statistics_is_said_to_be_unseen(server: Server, health: Health) -> None:
    with schema(
        server,
        "CREATE TABLE scene.t AS SELECT n, repeat('x', 100) AS x FROM generate_series(1, 20000) n",
        "ALTER TABLE scene.t SET (autovacuum_enabled = false)",
        "VACUUM scene.t",
    ):
        assert "ANALYZE" in health("bloat", user="postgres").unavailable()["table_bloat"]
        server.run("ANALYZE scene.t")
        assert "table_bloat" not in health("bloat", user="postgres").unavailable()
