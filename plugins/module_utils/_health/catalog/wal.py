# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""WAL: what lies on disk, whether it is archived, why checkpoints happen."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Probe, filled


@dataclass(frozen=True)
class Archiver:
    mode: str
    archived: int
    failed: int
    last_archived_wal: str | None
    last_failed_wal: str | None
    failing: bool
    seconds_since_success: float | None
    seconds_since_failure: float | None


# Failing means that the newest attempt failed. Without any success yet, the
# time since the statistics began stands for the time without one.
ARCHIVER = Probe(
    name="archiver",
    subset="wal",
    row=Archiver,
    single=True,
    sql={
        13: """
SELECT current_setting('archive_mode') AS mode, archived_count AS archived, failed_count AS failed,
       last_archived_wal, last_failed_wal,
       coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS failing,
       extract(epoch FROM clock_timestamp() - coalesce(last_archived_time, stats_reset))::float8
         AS seconds_since_success,
       extract(epoch FROM clock_timestamp() - last_failed_time)::float8 AS seconds_since_failure
  FROM pg_stat_archiver
"""
    },
)


@dataclass(frozen=True)
class ArchiveQueue:
    files: int
    oldest_seconds: float


ARCHIVE_QUEUE = Probe(
    name="archive_queue",
    subset="wal",
    row=ArchiveQueue,
    single=True,
    # A standby archives nothing unless archive_mode is 'always'.
    sql={
        13: """
SELECT count(*)::int AS files,
       coalesce(extract(epoch FROM clock_timestamp() - min(modification)), 0)::float8 AS oldest_seconds
  FROM pg_ls_archive_statusdir()
 WHERE name LIKE '%%.ready'
   AND (current_setting('archive_mode') = 'always'
        OR current_setting('archive_mode') = 'on' AND NOT pg_is_in_recovery())
"""
    },
    advice="make the role a member of pg_monitor",
)


@dataclass(frozen=True)
class WalDirectory:
    files: int
    bytes: int
    expected_bytes: int
    used_percent: float


WAL_DIRECTORY = Probe(
    name="wal_directory",
    subset="wal",
    row=WalDirectory,
    single=True,
    sql={
        13: """
WITH expected AS (
  SELECT sum(pg_size_bytes(current_setting(name)))::bigint AS bytes
    FROM unnest(ARRAY['max_wal_size', 'wal_keep_size']) AS name
)
SELECT count(*)::int AS files, coalesce(sum(size), 0)::bigint AS bytes, expected.bytes AS expected_bytes,
       (100.0 * coalesce(sum(size), 0) / expected.bytes)::float8 AS used_percent
  FROM expected LEFT JOIN pg_ls_waldir() ON true
 GROUP BY expected.bytes
"""
    },
    advice="make the role a member of pg_monitor",
)


@dataclass(frozen=True)
class Checkpoints:
    timed: int
    requested: int
    requested_percent: float | None


_CHECKPOINTS = """
SELECT {timed} AS timed, {requested} AS requested,
       (100.0 * {requested} / nullif({timed} + {requested}, 0))::float8 AS requested_percent
  FROM {view}
"""


def _checkpoints(view: str, timed: str, requested: str) -> str:
    return filled(_CHECKPOINTS, view=view, timed=timed, requested=requested)


CHECKPOINTS = Probe(
    name="checkpoints",
    subset="wal",
    row=Checkpoints,
    single=True,
    sql={
        13: _checkpoints("pg_stat_bgwriter", "checkpoints_timed", "checkpoints_req"),
        17: _checkpoints("pg_stat_checkpointer", "num_timed", "num_requested"),
    },
)

PROBES = (ARCHIVER, ARCHIVE_QUEUE, WAL_DIRECTORY, CHECKPOINTS)
