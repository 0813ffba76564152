"""Standbys, slots and subscriptions that fall behind or stop."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from psycopg2 import sql
from psycopg2.extras import PhysicalReplicationConnection

from lab.waiting import wait_until
from tests.integration.faults.scene import schema, settled
from tests.integration.servers import Server, alter

# Some megabytes of WAL, in a table that goes away again.
WRITE = "CREATE TABLE scene.t AS SELECT n, repeat('x', 500) AS pad FROM generate_series(1, {rows}) n"


def standby_name(server: Server) -> str:
    return str(server.value("SELECT slot_name FROM pg_replication_slots WHERE slot_name LIKE '%standby'"))


def wait_for_standby(server: Server) -> None:
    """Until the standby has replayed what is written now."""
    end = server.value("SELECT pg_current_wal_lsn()")
    replayed = """
        SELECT count(*) > 0 FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid
         WHERE r.state = 'streaming' AND r.replay_lsn >= %(end)s AND s.restart_lsn >= %(end)s"""
    settled(server, "the standby has replayed everything", replayed, {"end": end})


@contextlib.contextmanager
def paused_replay(server: Server) -> Iterator[None]:
    """A standby that receives and does not replay, with WAL and a commit waiting."""
    wait_for_standby(server)
    server.run("SELECT pg_wal_replay_pause()", standby=True)
    paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'"
    try:
        if server.version >= 14:
            wait_until("replay is paused", lambda: server.value(paused, standby=True), pause=0.05)
        with schema(server, WRITE.format(rows=4000)):
            waiting = """
                SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) > 1000000
                   AND clock_timestamp() - pg_last_xact_replay_timestamp() > '0.3 s'"""
            wait_until("WAL waits", lambda: server.value(waiting, standby=True), pause=0.05)
            yield None
    finally:
        server.run("SELECT pg_wal_replay_resume()", standby=True)
        wait_for_standby(server)


@contextlib.contextmanager
def lagging_replica(server: Server) -> Iterator[str]:
    """The same as the primary sees it."""
    with paused_replay(server):
        lag = """
            SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) > 1000000 AND replay_lag > '0.3 s'
              FROM pg_stat_replication"""
        settled(server, "the primary knows that the standby lags", lag)
        yield standby_name(server)


@contextlib.contextmanager
def cut_off_standby(server: Server) -> Iterator[None]:
    """A standby that looks for its primary where there is none."""
    source = server.value("SHOW primary_conninfo", standby=True)
    nowhere = f"{source} port=1"
    receiving = "SELECT count(*) > 0 FROM pg_stat_wal_receiver WHERE status = 'streaming'"
    alter(server, {"primary_conninfo": nowhere}, standby=True)
    try:
        gone = "SELECT count(*) = 0 FROM pg_stat_replication"
        settled(server, "the standby is gone", gone)
        wait_until("it receives nothing", lambda: not server.value(receiving, standby=True), pause=0.05)
        yield None
    finally:
        alter(server, {"primary_conninfo": source}, standby=True)
        wait_until("the standby streams again", lambda: server.value(receiving, standby=True), pause=0.05)
        wait_for_standby(server)


@contextlib.contextmanager
def absent_replica(server: Server) -> Iterator[None]:
    with cut_off_standby(server):
        yield None


@contextlib.contextmanager
def lagging_cut_off_standby(server: Server) -> Iterator[None]:
    """Cut off for longer than the tests' thresholds: it cannot know what it misses."""
    with cut_off_standby(server):
        old = "SELECT clock_timestamp() - pg_last_xact_replay_timestamp() > '0.3 s'"
        wait_until("the last replayed commit is old", lambda: server.value(old, standby=True), pause=0.05)
        yield None


@contextlib.contextmanager
def silent_walsender(server: Server) -> Iterator[str]:
    """A replica that connected and never asked for WAL: it stays in state 'startup'."""
    parameters = {**server.parameters(), "application_name": "laggard"}
    with contextlib.closing(replication_connection(parameters)):
        state = "SELECT state = 'startup' FROM pg_stat_replication WHERE application_name = 'laggard'"
        settled(server, "the replica is seen", state)
        yield "laggard"


def replication_connection(parameters: dict[str, str]) -> PhysicalReplicationConnection:
    return PhysicalReplicationConnection(" ".join(f"{name}='{text}'" for name, text in parameters.items()))


@contextlib.contextmanager
def missing_sync_standby(server: Server) -> Iterator[None]:
    """synchronous_standby_names asks for one that nobody is. Nothing may write meanwhile."""
    waits = "SELECT current_setting('synchronous_standby_names') <> ''"
    server.setting(synchronous_standby_names="ghost")
    try:
        settled(server, "the setting counts", waits)
        yield None
    finally:
        server.setting(synchronous_standby_names=None)
        settled(server, "the setting is back", f"SELECT NOT ({waits})")


# Slots


@contextlib.contextmanager
def unused_slot(server: Server, *, write: str = WRITE.format(rows=8000)) -> Iterator[str]:
    """A slot nobody reads from, and WAL written since."""
    server.run("SELECT pg_create_physical_replication_slot('idle_slot', true)")
    try:
        with schema(server, write):
            # max_slot_wal_keep_size must never take the standby's slot with it.
            wait_for_standby(server)
            yield "idle_slot"
    finally:
        server.run("SELECT pg_drop_replication_slot('idle_slot')")


@contextlib.contextmanager
def limited_slot(server: Server) -> Iterator[str]:
    """An unused slot that may keep 6 MB, of which less than 3 are left."""
    with keep_size(server, "6MB"), unused_slot(server):
        yield "idle_slot"


@contextlib.contextmanager
def lost_slot(server: Server) -> Iterator[str]:
    """An unused slot whose WAL the server has removed, as max_slot_wal_keep_size allowed it."""
    with keep_size(server, "1MB"), without_wal_keep_size(server), unused_slot(server):
        server.run("SELECT pg_switch_wal()")
        wait_for_standby(server)
        server.run("CHECKPOINT")
        lost = "SELECT wal_status = 'lost' FROM pg_replication_slots WHERE slot_name = 'idle_slot'"
        settled(server, "the slot is lost", lost)
        yield "idle_slot"


@contextlib.contextmanager
def keep_size(server: Server, size: str) -> Iterator[None]:
    server.setting(max_slot_wal_keep_size=size)
    try:
        settled(server, "the limit counts", "SELECT current_setting('max_slot_wal_keep_size') <> '-1'")
        yield
    finally:
        server.setting(max_slot_wal_keep_size=None)
        settled(server, "the limit is gone", "SELECT current_setting('max_slot_wal_keep_size') = '-1'")


@contextlib.contextmanager
def without_wal_keep_size(server: Server) -> Iterator[None]:
    server.setting(wal_keep_size="0")
    try:
        settled(server, "nothing is kept", "SELECT current_setting('wal_keep_size') = '0'")
        yield
    finally:
        server.setting(wal_keep_size=None)


# Subscriptions: of a database of the same cluster to another, by a slot made beforehand.

PUBLISHER, SUBSCRIBER = "publisher", "subscriber"


@contextlib.contextmanager
def subscription(server: Server, options: str = "") -> Iterator[str]:
    table = "CREATE TABLE t (n int PRIMARY KEY)"
    for name in (PUBLISHER, SUBSCRIBER):
        server.run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)), database="postgres")
        server.run(table, database=name)
    publish = "CREATE PUBLICATION everything FOR ALL TABLES"
    slot = "SELECT pg_create_logical_replication_slot('sub', 'pgoutput')"
    server.run(publish, slot, database=PUBLISHER)
    source = f"host=/var/run/postgresql port={server.primary.port} user=postgres dbname={PUBLISHER}"
    server.run(
        f"CREATE SUBSCRIPTION sub CONNECTION '{source}' PUBLICATION everything "
        f"WITH (create_slot = false, copy_data = false {options})",
        database=SUBSCRIBER,
    )
    try:
        yield "sub"
    finally:
        disable = ("ALTER SUBSCRIPTION sub DISABLE", "ALTER SUBSCRIPTION sub SET (slot_name = NONE)")
        server.run(*disable, "DROP SUBSCRIPTION sub", database=SUBSCRIBER)
        free = "SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'sub'"
        settled(server, "the slot is free", free)
        server.run("SELECT pg_drop_replication_slot('sub')", database=PUBLISHER)
        for name in (SUBSCRIBER, PUBLISHER):
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            server.run(drop, database="postgres")


@contextlib.contextmanager
def conflicting_subscription(server: Server) -> Iterator[str]:
    """A subscriber that holds a row already which the publisher sends (counted from version 15)."""
    with subscription(server) as name:
        server.run("INSERT INTO t VALUES (1)", database=SUBSCRIBER)
        server.run("INSERT INTO t VALUES (1)", database=PUBLISHER)
        failed = "SELECT apply_error_count >= 2 FROM pg_stat_subscription_stats WHERE subname = 'sub'"
        settled(server, "the conflict is counted", failed)
        yield name


@contextlib.contextmanager
def stopped_subscription(server: Server) -> Iterator[str]:
    """An enabled subscription whose publisher is not there, between two attempts."""
    with subscription(server) as name:
        running = "SELECT count(*) > 0 FROM pg_stat_subscription WHERE subname = 'sub' AND pid IS NOT NULL"
        settled(server, "the subscription runs", running)
        # The next attempt is an hour away, so that no test meets a worker that is about to fail.
        server.setting(wal_retrieve_retry_interval="1h")
        try:
            server.run(
                f"ALTER SUBSCRIPTION sub CONNECTION 'host=/var/run/postgresql port=1 dbname={PUBLISHER}'",
                database=SUBSCRIBER,
            )
            settled(server, "the subscription stopped", f"SELECT NOT ({running})")
            yield name
        finally:
            server.setting(wal_retrieve_retry_interval=None)


@contextlib.contextmanager
def disabled_subscription(server: Server) -> Iterator[str]:
    with subscription(server, ", enabled = false") as name:
        yield name
