"""WAL that is not archived, piles up, or is checkpointed in a hurry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.integration.faults.replication import WRITE, unused_slot, without_wal_keep_size
from tests.integration.faults.scene import schema, settled
from tests.integration.servers import Server


def switch(server: Server) -> None:
    """Finish a WAL segment; an empty one would not be finished."""
    server.run("SELECT pg_logical_emit_message(false, 'test', 'x')", "SELECT pg_switch_wal()")


@contextlib.contextmanager
def failing_archiver(server: Server) -> Iterator[str]:
    """An archive_command that fails, and four segments that wait for it."""
    server.setting(archive_command="/bin/false")
    failing = "SELECT last_failed_time > coalesce(last_archived_time, '-infinity') FROM pg_stat_archiver"
    try:
        settled(server, "the command counts", "SELECT current_setting('archive_command') = '/bin/false'")
        for _ in range(4):
            switch(server)
        settled(server, "archiving fails", failing)
        queue = "SELECT count(*) >= 4 FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
        settled(server, "the queue is there", queue)
        yield str(server.value("SELECT last_failed_wal FROM pg_stat_archiver"))
    finally:
        server.setting(archive_command=None)
        switch(server)  # wakes the archiver, which otherwise rests for a minute
        settled(server, "archiving works", f"SELECT NOT ({failing})")
        empty = "SELECT count(*) = 0 FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
        settled(server, "the queue is empty", empty)


@contextlib.contextmanager
def archive_queue(server: Server) -> Iterator[None]:
    """The same, for the check that counts the files."""
    with failing_archiver(server):
        yield None


@contextlib.contextmanager
def hung_archiver(server: Server) -> Iterator[None]:
    """An archive_command that does not end: nothing fails, and a file waits."""
    hangs = "/tmp/archive_hangs"
    server.node.exec(["touch", hangs])
    server.setting(archive_command=f"while test -e {hangs}; do sleep 0.1; done")
    try:
        settled(server, "the command counts", "SELECT current_setting('archive_command') LIKE 'while%'")
        switch(server)
        old = """
            SELECT clock_timestamp() - min(modification) > '0.5 s'
              FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"""
        settled(server, "a file waits", old)
        yield None
    finally:
        server.node.exec(["rm", hangs])
        server.setting(archive_command=None)
        switch(server)
        empty = "SELECT count(*) = 0 FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
        settled(server, "the queue is empty", empty)


@contextlib.contextmanager
def large_wal_directory(server: Server) -> Iterator[None]:
    """More WAL than max_wal_size foresees, kept by a slot."""
    size = server.value("SHOW max_wal_size")
    with without_wal_keep_size(server):
        server.setting(max_wal_size="2MB")
        try:
            settled(server, "the limit counts", "SELECT current_setting('max_wal_size') = '2MB'")
            with unused_slot(server):
                yield None
        finally:
            server.setting(max_wal_size=None)
            settled(server, "the limit is back", f"SELECT current_setting('max_wal_size') = '{size}'")
            server.run("CHECKPOINT")


@contextlib.contextmanager
def requested_checkpoints(server: Server) -> Iterator[None]:
    """Checkpoints asked for rather than due: here by hand, usually by too much WAL."""
    count, target = (
        ("SELECT num_requested FROM pg_stat_checkpointer", "checkpointer")
        if server.version >= 17
        else ("SELECT checkpoints_req FROM pg_stat_bgwriter", "bgwriter")
    )
    reset_checkpoints(server, count, target)
    try:
        with schema(server, WRITE.format(rows=1)):
            server.run(*["CHECKPOINT"] * 6)
            settled(server, "the checkpoints are counted", f"SELECT ({count}) >= 6")
            yield None
    finally:
        reset_checkpoints(server, count, target)


def reset_checkpoints(server: Server, count: str, target: str) -> None:
    server.run(f"SELECT pg_stat_reset_shared('{target}')")
    settled(server, "the counter is at zero", f"SELECT ({count}) = 0")
