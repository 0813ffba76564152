"""Archive, WAL on disk, checkpoints, and the disks themselves."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import storage
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import wal as catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed
from tests.unit.plugins.module_utils._health.checks.case import Case, stepped
from tests.unit.plugins.rows import observed, row

GIB = 1024**3


def _archiver(waiting: float | None = None, files: int = 1, **values: Any) -> Observed:
    usual = {"mode": "on", "failing": True, "last_failed_wal": "0002", "last_archived_wal": "0001"}
    queue = [] if waiting is None else [row(catalog.ArchiveQueue, files=files, oldest_seconds=waiting)]
    return observed(
        (catalog.ARCHIVER, row(catalog.Archiver, **{**usual, **values})),
        *((catalog.ARCHIVE_QUEUE, each) for each in queue),
    )


def _checkpoints(**values: Any) -> Observed:
    return observed((catalog.CHECKPOINTS, row(catalog.Checkpoints, **values)))


CASES = [
    Case(
        "archive_failing_seconds",
        "warning",
        beyond=_archiver(seconds_since_success=7200.0, waiting=60.0),
        within=_archiver(seconds_since_success=7200.0, waiting=60.0, failing=False),
        message="Archiving fails on 0002, for 1 min by now; the last success was 2 h ago.",
        object="0002",
    ),
    Case(
        "archive_failing_seconds",
        "warning",
        beyond=_archiver(last_archived_wal=None, waiting=60.0),
        within=_archiver(mode="off", waiting=60.0),
        message="Archiving fails on 0002, for 1 min by now; nothing succeeded yet.",
        object="0002",
    ),
    # Where the files that wait may not be seen, nothing is known of before the last attempt.
    Case(
        "archive_failing_seconds",
        "warning",
        beyond=_archiver(seconds_since_success=7200.0, seconds_since_failure=30.0),
        within=_archiver(failing=False),
        message="Archiving fails on 0002, for 30 s by now; the last success was 2 h ago.",
        object="0002",
    ),
    Case(
        "archive_failing_seconds",
        "warning",
        beyond=_archiver(seconds_since_success=7200.0, waiting=0.0),
        within=_archiver(seconds_since_success=7200.0, seconds_since_failure=7200.0, waiting=0.0, files=0),
        object="0002",
    ),
    Case(
        "archive_failing_seconds",
        "critical",
        beyond=_archiver(seconds_since_success=7200.0, waiting=900.1),
        within=_archiver(seconds_since_success=7200.0, waiting=900.0),
        object="0002",
    ),
    *stepped(
        "archive_queue_seconds",
        catalog.ARCHIVE_QUEUE,
        "oldest_seconds",
        [("warning", 300, 301), ("critical", 900, 901)],
        "The oldest of 3 WAL files yet to be archived has waited for 5 min.",
        files=3,
    ),
    *stepped(
        "archive_queue_files",
        catalog.ARCHIVE_QUEUE,
        "files",
        [("warning", 20, 21), ("critical", 100, 101)],
        "21 WAL files wait to be archived, the oldest for 2 min.",
        oldest_seconds=120.0,
    ),
    *stepped(
        "wal_used_percent",
        catalog.WAL_DIRECTORY,
        "used_percent",
        [("warning", 200, 201), ("critical", 500, 501)],
        "pg_wal holds 2.1 GiB; max_wal_size and wal_keep_size account for 1.0 GiB.",
        bytes=int(2.1 * GIB),
        expected_bytes=GIB,
    ),
    Case(
        "checkpoints_requested_percent",
        "warning",
        beyond=_checkpoints(requested=11, timed=9, requested_percent=55.0),
        within=_checkpoints(requested=11, timed=8, requested_percent=58.0),
        message="11 of 20 checkpoints were forced, not timed.",
    ),
    Case(
        "checkpoints_requested_percent",
        "warning",
        beyond=_checkpoints(requested=51, timed=49, requested_percent=51.0),
        within=_checkpoints(requested=50, timed=50, requested_percent=50.0),
    ),
    Case(
        "checkpoints_requested_percent",
        "warning",
        beyond=_checkpoints(requested=51, timed=49, requested_percent=51.0),
        within=_checkpoints(requested_percent=None),
    ),
    *stepped(
        "disk_used_percent",
        storage.DISKS,
        "used_percent",
        [("warning", 85, 86), ("critical", 90, 90.1)],
        "The disk of the data directory, WAL is 86 % full, 14.0 GiB are left.",
        object="/data",
        path="/data",
        purpose="data directory, WAL",
        total_bytes=100 * GIB,
        used_bytes=80 * GIB,
        available_bytes=14 * GIB,
    ),
    *stepped(
        "inodes_used_percent",
        storage.DISKS,
        "inodes_used_percent",
        [("warning", 85, 86), ("critical", 90, 90.1), ("critical", None, 99)],
        "The disk of the data directory has 86 % of its inodes taken.",
        object="/data",
        path="/data",
        purpose="data directory",
    ),
]
