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
