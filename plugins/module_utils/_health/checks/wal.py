# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Is WAL archived, does it pile up, and are checkpoints forced?"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import wal as seen_by
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import (
    Check,
    Levels,
    Measure,
    shown_bytes,
    shown_count,
    shown_seconds,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed


def _archiver(observed: Observed) -> Iterable[Measure]:
    """Failing for as long as the oldest file waits: before that there was nothing to archive on a quiet server.

    Where the files that wait may not be seen, only the last attempt is known to have failed. Where none waits,
    the failure is of a time when this server archived, before it became a standby.
    """
    queue = [seen.row for seen in observed.of(seen_by.ARCHIVE_QUEUE)]
    for seen in observed.of(seen_by.ARCHIVER):
        row = seen.row
        if row.mode == "off" or not row.failing or any(each.files == 0 for each in queue):
            continue
        known = [row.seconds_since_failure or 0.0, *(each.oldest_seconds for each in queue)]
        seconds = max(*known, 0.001)
        since = shown_seconds(row.seconds_since_success or 0.0)
        success = f"the last success was {since} ago" if row.last_archived_wal else "nothing succeeded yet"
        yield Measure(
            seconds,
            f"Archiving fails on {row.last_failed_wal}, for {shown_seconds(seconds)} by now; {success}.",
            row.last_failed_wal,
        )


def _queue(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.ARCHIVE_QUEUE):
        row = seen.row
        files = shown_count(row.files, "WAL file waits", "WAL files wait")
        yield Measure(row.files, f"{files} to be archived, the oldest for {shown_seconds(row.oldest_seconds)}.")


def _oldest(observed: Observed) -> Iterable[Measure]:
    """An archive_command that hangs neither succeeds nor fails; the file it is busy with grows old."""
    for seen in observed.of(seen_by.ARCHIVE_QUEUE):
        row = seen.row
        yield Measure(
            row.oldest_seconds,
            f"The oldest of {shown_count(row.files, 'WAL file')} yet to be archived has waited for "
            f"{shown_seconds(row.oldest_seconds)}.",
        )


def _directory(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.WAL_DIRECTORY):
        row = seen.row
        yield Measure(
            row.used_percent,
            f"pg_wal holds {shown_bytes(row.bytes)}; max_wal_size and wal_keep_size account for "
            f"{shown_bytes(row.expected_bytes)}.",
        )


def _checkpoints(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.CHECKPOINTS):
        row = seen.row
        if row.requested_percent is not None:
            yield Measure(
                row.requested_percent,
                f"{row.requested} of {row.timed + row.requested} checkpoints were forced, not timed.",
                basis=row.timed + row.requested,
            )


CHECKS = (
    Check(
        name="archive_failing_seconds",
        subset="wal",
        unit="s",
        measure=_archiver,
        remedy="Run archive_command by hand for that file; until it works WAL piles up and the recovery point ages.",
        levels=Levels(warning=0, critical=900),
    ),
    Check(
        name="archive_queue_files",
        subset="wal",
        unit="files",
        measure=_queue,
        remedy="Look at the archive's speed and space; pgBackRest can push in parallel.",
        levels=Levels(warning=20, critical=100),
    ),
    Check(
        name="archive_queue_seconds",
        subset="wal",
        unit="s",
        measure=_oldest,
        remedy="See whether archive_command hangs and end it if so; what is not archived is lost with this server.",
        levels=Levels(warning=300, critical=900),
    ),
    Check(
        name="wal_used_percent",
        subset="wal",
        unit="%",
        measure=_directory,
        remedy="Look for an inactive slot or a failing archiver; never delete from pg_wal by hand.",
        levels=Levels(warning=200, critical=500),
    ),
    Check(
        name="checkpoints_requested_percent",
        subset="wal",
        unit="%",
        measure=_checkpoints,
        remedy="Raise max_wal_size until checkpoints come with checkpoint_timeout.",
        levels=Levels(warning=50, floor=20),
        floor_of="checkpoints",
    ),
)
