"""The module waits for nobody, is in nobody's way and leaves nothing behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from lab.waiting import wait_until
from tests.integration.faults import replication
from tests.integration.faults.scene import held, schema
from tests.integration.faults.tables import FILLED
from tests.integration.runner import Health, Report
from tests.integration.servers import Server

THINGS = (
    *FILLED,
    "CREATE INDEX ON scene.t (n)",
    "ANALYZE scene.t",
    "CREATE SEQUENCE scene.s OWNED BY scene.t.n",
    "SELECT nextval('scene.s')",
    "CREATE SEQUENCE scene.other MAXVALUE 10 START 9",
    "SELECT nextval('scene.other')",
    "CREATE TABLE scene.parts (day date) PARTITION BY RANGE (day)",
    "CREATE TABLE scene.part PARTITION OF scene.parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
    "CREATE TABLE scene.rest PARTITION OF scene.parts DEFAULT",
    "CREATE MATERIALIZED VIEW scene.m AS SELECT * FROM scene.t",
)
TABLES = ("t", "parts", "part", "rest")


@contextlib.contextmanager
def things(server: Server) -> Iterator[None]:
    with schema(server, *THINGS):
        yield


def answered(report: Report) -> set[str]:
    return {probe for group in report.metrics.values() for probe in group}


def test_only_access_share_locks_are_taken(server: Server, health: Health) -> None:
    """EXCLUSIVE conflicts with everything else, and an open ALTER SEQUENCE with ROW EXCLUSIVE."""
    exclusive = [f"LOCK TABLE scene.{name} IN EXCLUSIVE MODE" for name in TABLES]
    sequences = ["ALTER SEQUENCE scene.s CACHE 5", "ALTER SEQUENCE scene.other CACHE 5"]
    refresh = "REFRESH MATERIALIZED VIEW CONCURRENTLY scene.m"
    with things(server):
        server.run("CREATE UNIQUE INDEX ON scene.m (id)")
        free = health()
        with held(server, *exclusive, *sequences, refresh):
            report = health()
        assert report.unavailable() == free.unavailable()
        assert answered(report) == answered(free)
        seen = {row["sequence"] for row in report.metrics["sequences"]["sequences"]}
        assert {"scene.s", "scene.other"} <= seen


def test_nothing_waits_for_an_access_exclusive_lock_on_tables(server: Server, health: Health) -> None:
    locked = [f"LOCK TABLE scene.{name} IN ACCESS EXCLUSIVE MODE" for name in TABLES]
    with things(server):
        free = health()
        with held(server, *locked, "REFRESH MATERIALIZED VIEW scene.m", "REINDEX TABLE scene.t"):
            report = health()
        assert report.unavailable() == free.unavailable()
        assert answered(report) == answered(free)
        assert "scene.t" in [row["table"] for row in report.metrics["tables"]["tables"]]


def test_a_locked_sequence_is_listed_and_costs_no_other(server: Server, health: Health) -> None:
    """Reading a sequence that is being dropped would wait: it is given up, said to be, and the rest read."""
    with things(server), held(server, "DROP SEQUENCE scene.s"):
        report = health("sequences")
        assert "lock" in report.unavailable()["sequences"]
        assert [finding["object"] for finding in report.findings("sequence_used_percent")] == ["scene.other"]


def test_many_locked_sequences_take_no_longer(server: Server, health: Health) -> None:
    """As TRUNCATE ... RESTART IDENTITY of many tables locks them: each waited for would take half a second."""
    owned = [f"CREATE TABLE scene.t{n} (id serial)" for n in range(60)]
    truncate = "TRUNCATE " + ", ".join(f"scene.t{n}" for n in range(60)) + " RESTART IDENTITY"
    with schema(server, *owned, "CREATE SEQUENCE scene.free", "SELECT nextval('scene.free')"):
        with held(server, truncate):
            report = health("sequences", timeout=5)
        assert report.unavailable()["sequences"].startswith("60 sequences are locked")
        assert "scene.free" in [row["sequence"] for row in report.metrics["sequences"]["sequences"]]


def test_a_standby_passes_over_unlogged_sequences(server: Server, health: Health) -> None:
    """It has them in its catalogue and refuses to read them."""
    if server.version < 15:
        pytest.skip("PostgreSQL 13 has no unlogged sequences")
    with schema(server, "CREATE UNLOGGED SEQUENCE scene.u", "CREATE SEQUENCE scene.s", "SELECT nextval('scene.s')"):
        replication.wait_for_standby(server)
        report = health("sequences", standby=True)
        assert report.unavailable() == {}
        assert [row["sequence"] for row in report.metrics["sequences"]["sequences"]] == ["scene.s"]


def test_a_locked_catalogue_costs_only_who_asks_it(server: Server, health: Health) -> None:
    with things(server):
        free = health()
        with held(server, "LOCK TABLE pg_catalog.pg_partitioned_table IN ACCESS EXCLUSIVE MODE"):
            report = health()
        assert set(report.unavailable()) - set(free.unavailable()) == {"partitioned_tables"}
        assert "lock" in report.unavailable()["partitioned_tables"]
        assert answered(free) - answered(report) == {"partitioned_tables"}


def test_nothing_is_written(server: Server, health: Health) -> None:
    """Whoever writes takes a transaction id, temporary tables included."""
    next_id = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
    with things(server):
        before = server.value(next_id)
        for user in ("postgres", "monitor", "plain"):
            health(user=user, databases=None, _ansible_check_mode=user == "monitor")
        assert server.value(next_id) == before


def test_check_mode_says_the_same(health: Health) -> None:
    real, check = (health("wal", "server", _ansible_check_mode=mode) for mode in (False, True))
    assert check.metrics.keys() == real.metrics.keys()
    assert check.status == real.status


def test_no_session_is_left_behind(server: Server, health: Health) -> None:
    health(databases=None)
    left = """
        SELECT count(*) FROM pg_stat_activity
         WHERE application_name = 'runbook.postgres' AND pid <> pg_backend_pid()"""
    wait_until("the module's sessions are gone", lambda: server.value(left) == 0, pause=0.05)
