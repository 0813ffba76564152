"""A server with real load and real problems, of the kind that a morning check should find.

Each function provokes one problem for good (a table in a bad state) or for a
bounded time (a session, a load); what runs, runs inside the node and ends by itself.
"""

from __future__ import annotations

from .clusters import Cluster

DATABASE = "shop"
SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "shared_buffers": "128MB",
    "max_connections": 60,
    "track_io_timing": "on",
    # The archive is a mount that somebody forgot.
    "archive_mode": "on",
    "archive_command": "test -d /mnt/archive && cp %p /mnt/archive/%f",
    # The lab's disk is yours: the forgotten slot may not fill it.
    "max_slot_wal_keep_size": "1GB",
}
FORGOTTEN_SECONDS = 900


def run_as_postgres(cluster: Cluster, unit: str, *argv: str) -> None:
    """Start a program that outlives this one, unless it runs already."""
    if cluster.node.exec(["systemctl", "is-active", unit], check=False).returncode == 0:
        return
    options = ["--quiet", "--collect", f"--unit={unit}", "--uid=postgres", f"--setenv=PGAPPNAME={unit}"]
    cluster.node.exec(["systemd-run", *options, *argv])


def prepare(cluster: Cluster) -> None:
    """The application's database, filled by pgbench."""
    cluster.psql(f"CREATE DATABASE {DATABASE}")
    for database in ("postgres", DATABASE):
        cluster.psql("CREATE EXTENSION pg_stat_statements", database)
    argv = ["pgbench", "--initialize", "--quiet", "--scale=5", f"--port={cluster.port}", DATABASE]
    cluster.node.exec(argv, user="postgres")


def load(cluster: Cluster, *, seconds: int, clients: int) -> None:
    """Clients that read and write, at a rate that leaves this machine usable."""
    argv = ["pgbench", f"--time={seconds}", f"--client={clients}", "--jobs=2", "--rate=300", "--no-vacuum"]
    run_as_postgres(cluster, "web-shop", *argv, f"--port={cluster.port}", DATABASE)


def neglect(cluster: Cluster) -> None:
    """What accumulates when nobody looks."""
    cluster.psql(
        """
        -- An index build that failed half-way and was left behind.
        CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL);
        INSERT INTO customers (email)
        SELECT 'c' || n % 49999 || '@example.com' FROM generate_series(1, 50000) AS n;

        -- A key of four bytes, chosen when there were few orders.
        CREATE TABLE orders (id serial PRIMARY KEY, customer bigint, placed timestamptz DEFAULT now());
        SELECT setval('orders_id_seq', 2050000000);
        INSERT INTO orders (customer) SELECT n FROM generate_series(1, 1000) AS n;

        -- A queue whose vacuum was turned off during an incident and never on again.
        CREATE TABLE outbox (id bigint PRIMARY KEY, payload text) WITH (autovacuum_enabled = off);
        INSERT INTO outbox SELECT n, repeat('x', 200) FROM generate_series(1, 100000) AS n;
        ANALYZE outbox;
        DELETE FROM outbox WHERE id % 10 <> 0;

        -- Two indexes where one would do.
        CREATE INDEX orders_customer ON orders (customer);
        CREATE INDEX orders_by_customer ON orders (customer);

        -- A replica that was switched off and never taken from the list.
        SELECT pg_create_physical_replication_slot('old_replica', true);

        -- A change that waits for a restart.
        ALTER SYSTEM SET max_connections = 120;
        SELECT pg_reload_conf();
        SELECT pg_switch_wal();
        """,
        DATABASE,
    )
    # It fails, as there are duplicates: that is the point.
    unique = "CREATE UNIQUE INDEX CONCURRENTLY customers_email ON customers (email)"
    cluster.psql(unique, DATABASE, check=False)


def forget_a_transaction(cluster: Cluster) -> None:
    """A session that changed a row and went idle without a commit, and others that wait for it."""
    update = "UPDATE orders SET placed = now() WHERE id = (SELECT min(id) FROM orders);"
    psql = f"psql -XAtq -p {cluster.port} -d {DATABASE}"
    # The pipe stays open, so the session stays in its transaction.
    forget = f"#!/bin/sh\n{{ echo 'BEGIN; {update}'; sleep {FORGOTTEN_SECONDS}; }} | {psql}\n"
    cluster.node.write("/usr/local/bin/forgotten-session", forget, mode="0755")
    wait = f"#!/bin/sh\nsleep 2\necho '{update}' | {psql}\n"
    cluster.node.write("/usr/local/bin/waiting-session", wait, mode="0755")
    run_as_postgres(cluster, "admin-console", "/usr/local/bin/forgotten-session")
    for number in (1, 2):
        run_as_postgres(cluster, f"checkout-{number}", "/usr/local/bin/waiting-session")
