"""A file system that is nearly full."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.integration.servers import SMALL_DISK, Server


@contextlib.contextmanager
def full_disk(server: Server) -> Iterator[str]:
    """A tablespace on a small file system that something else has filled."""
    place = f"{SMALL_DISK}/tablespace"
    server.node.exec(["install", "-d", "-o", "postgres", "-m", "0700", place])
    server.run(f"CREATE TABLESPACE small LOCATION '{place}'")
    try:
        server.node.exec(["fallocate", "-l", "15M", f"{SMALL_DISK}/ballast"])
        yield place
    finally:
        server.node.exec(["rm", "-f", f"{SMALL_DISK}/ballast"])
        server.run("DROP TABLESPACE small")
