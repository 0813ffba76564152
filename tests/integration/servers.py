"""The servers that the integration tests examine: one node per Debian release.

On each node run a primary, a standby that streams from it, and PgBouncer in
front of the primary. Everything is small and quick to provoke: WAL segments of
a megabyte, locks that count as waits after a tenth of a second, an autovacuum
that leaves the tests' dead rows alone.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2 import sql

from lab.clusters import Cluster
from lab.nodes import Node

STANDBY = "standby"
_STATEMENT = re.compile(r"\[(\d+)\] .* (?:statement|execute [^:]*): (.*)")
POOLER_PORT = 6432
# A file system that is small enough to fill.
SMALL_DISK = "/small"

COMMON = {
    "max_connections": 40,
    "max_prepared_transactions": 10,
    "shared_buffers": "64MB",
    "wal_level": "logical",
    "fsync": "off",
    "deadlock_timeout": "100ms",
    "shared_preload_libraries": "pg_stat_statements",
    # A fault has to stay where it was put.
    "autovacuum_naptime": "1h",
    "checkpoint_timeout": "1h",
    # What broke is mended within a test, not within five or ten seconds.
    "wal_retrieve_retry_interval": "200ms",
    "wal_receiver_status_interval": "1s",
}
PRIMARY = {**COMMON, "archive_mode": "on", "archive_command": "/bin/true", "wal_keep_size": "16MB"}

POOLER_CONFIG = """\
[databases]
app = host=/var/run/postgresql port=5432 dbname=app user=postgres pool_size=1
[pgbouncer]
listen_addr = *
listen_port = {port}
unix_socket_dir = /var/run/postgresql
auth_type = scram-sha-256
auth_file = /etc/pgbouncer/userlist.txt
stats_users = stats
pool_mode = transaction
max_client_conn = 20
logfile = /var/log/postgresql/pgbouncer.log
pidfile = /var/run/postgresql/pgbouncer.pid
"""


@dataclass(frozen=True)
class Server:
    """A node with its primary, its standby and its pooler, and the roles to log in as."""

    node: Node
    primary: Cluster
    standby: Cluster
    # Of each role that is no superuser: monitor (pg_monitor), plain (nothing), client and stats (pooler).
    passwords: Mapping[str, str] = field(repr=False)

    @property
    def version(self) -> int:
        return self.primary.version

    def parameters(self, database: str = "app", user: str = "postgres", *, standby: bool = False) -> dict[str, Any]:
        cluster = self.standby if standby else self.primary
        return dict(cluster.parameters(database, user, self.passwords.get(user)))

    @contextlib.contextmanager
    def connect(
        self, database: str = "app", user: str = "postgres", *, standby: bool = False, **libpq: Any
    ) -> Iterator[Any]:
        """A connection in autocommit mode that is closed at the end, whatever it was in."""
        connection = psycopg2.connect(
            **{**self.parameters(database, user, standby=standby), "connect_timeout": 10, **libpq}
        )
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()

    def run(self, *statements: str | sql.Composable, database: str = "app", standby: bool = False) -> None:
        """Statements as the superuser, each in its own transaction."""
        with self.connect(database, standby=standby) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    @contextlib.contextmanager
    def waiting_for(self, standby: str) -> Iterator[None]:
        """Who commits waits for that one."""
        reload = "SELECT pg_reload_conf()"
        self.run(
            sql.SQL("ALTER SYSTEM SET synchronous_standby_names = {}").format(sql.Literal(standby)), database="postgres"
        )
        self.run(reload, database="postgres")
        try:
            yield
        finally:
            self.run("ALTER SYSTEM RESET synchronous_standby_names", database="postgres")
            self.run(reload, database="postgres")

    @contextlib.contextmanager
    def statements(self) -> Iterator[list[tuple[int, str]]]:
        """What is said to it meanwhile, and by which of its processes; to be read afterwards."""
        told: list[tuple[int, str]] = []
        log, reload = self.primary.log_file, "SELECT pg_reload_conf()"
        before = len(self.node.exec(["cat", log]).stdout)
        self.run("ALTER SYSTEM SET log_statement = 'all'", reload)
        try:
            yield told
        finally:
            self.run("ALTER SYSTEM RESET log_statement", reload)
            said = self.node.exec(["cat", log]).stdout[before:]
            told += [(int(pid), text) for pid, text in _STATEMENT.findall(said)]

    def value(
        self, query: str | sql.Composable, values: object = None, *, database: str = "app", standby: bool = False
    ) -> Any:
        """The first column of the first row, or None when there is no row."""
        with self.connect(database, standby=standby) as connection, connection.cursor() as cursor:
            cursor.execute(query, values)
            row = cursor.fetchone()
            return row[0] if row else None

    def setting(self, **settings: str | None) -> None:
        """ALTER SYSTEM and reload the primary; None takes a setting back."""
        alter(self, settings, standby=False)


def alter(server: Server, settings: Mapping[str, str | None], *, standby: bool) -> None:
    statements = [
        sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name))
        if text is None
        else sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(text))
        for name, text in settings.items()
    ]
    server.run(*statements, "SELECT pg_reload_conf()", database="postgres", standby=standby)


def build(release: int) -> Server:
    """Boot a node and make everything on it; what an earlier run left is replaced."""
    node = Node.start(f"health{release}", release, tmpfs={SMALL_DISK: "size=16m,mode=0777"})
    primary = Cluster.create(node, settings=PRIMARY, initdb=["--wal-segsize=1"])
    passwords = {name: secrets.token_urlsafe(12) for name in ("monitor", "plain", "client", "stats")}
    server = Server(node, primary, primary, passwords)
    fill(server)
    standby = primary.clone_standby(node, STANDBY, primary.port + 1, settings={**COMMON, "archive_mode": "on"})
    start_pooler(server)
    return Server(node, primary, standby, passwords)


def fill(server: Server) -> None:
    """The roles, and one database that all tests share."""
    roles = [
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(server.passwords[name]))
        for name in ("monitor", "plain")
    ]
    server.run(*roles, "GRANT pg_monitor TO monitor", "CREATE DATABASE app", database="postgres")
    server.run("CREATE EXTENSION pg_stat_statements")


def start_pooler(server: Server) -> None:
    users = "".join(f'"{name}" "{server.passwords[name]}"\n' for name in ("client", "stats"))
    for path, text in (
        ("/etc/pgbouncer/userlist.txt", users),
        ("/etc/pgbouncer/pgbouncer.ini", POOLER_CONFIG.format(port=POOLER_PORT)),
    ):
        server.node.write(path, text, owner="postgres:postgres", mode="0640")
    server.node.exec(["systemctl", "restart", "pgbouncer"])
