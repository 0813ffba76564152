"""Configuration that was written and does not run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.integration.faults.scene import database, schema, settled
from tests.integration.servers import Server


@contextlib.contextmanager
def pending_restart(server: Server) -> Iterator[None]:
    pending = "SELECT pending_restart FROM pg_settings WHERE name = 'max_connections'"
    server.setting(max_connections="77")
    try:
        settled(server, "max_connections waits for a restart", pending)
        yield None
    finally:
        server.setting(max_connections=None)
        settled(server, "max_connections is as before", f"SELECT NOT ({pending})")


@contextlib.contextmanager
def broken_setting(server: Server) -> Iterator[str]:
    """A line that the next reload would refuse."""
    path = f"{server.primary.config_directory}/conf.d/broken.conf"
    server.node.write(path, "# a comment\nwork_mem = 'plenty'\n", owner="postgres:postgres")
    try:
        yield f"{path}:2"
    finally:
        server.node.exec(["rm", path])


@contextlib.contextmanager
def broken_hba(server: Server) -> Iterator[str]:
    path = f"{server.primary.config_directory}/pg_hba.conf"
    whole = server.node.exec(["cat", path]).stdout
    server.primary.write_hba([*whole.splitlines(), "host all all everywhere scram-sha-256 nonsense"])
    try:
        yield f"line {len(whole.splitlines()) + 1}"
    finally:
        server.primary.write_hba(whole.splitlines())


@contextlib.contextmanager
def other_collation_version(server: Server) -> Iterator[str]:
    """An index ordered by a collation that, by the catalogue, has changed since."""
    index = (
        "CREATE COLLATION scene.swedish (provider = icu, locale = 'sv')",
        "CREATE TABLE scene.t (word text COLLATE scene.swedish)",
        "CREATE INDEX ON scene.t (word)",
        "UPDATE pg_collation SET collversion = '0.0' WHERE collname = 'swedish'",
    )
    with schema(server, *index):
        yield "swedish"


@contextlib.contextmanager
def other_database_collation_version(server: Server) -> Iterator[str]:
    with database(server) as name:
        server.run("UPDATE pg_database SET datcollversion = '0.0' WHERE datname = 'scratch'", database=name)
        yield "the database default"
