# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Long work that reports how far it is."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import CLUSTER, DATABASE, Probe, filled


@dataclass(frozen=True)
class Progress:
    operation: str
    pid: int
    object: str | None
    phase: str
    done: int
    total: int | None
    done_percent: float | None


_WORK = """
SELECT {operation} AS operation, pid,
       (SELECT n.nspname || '.' || c.relname
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid = relid) AS object,
       {phase} AS phase, {done} AS done, nullif({total}, 0) AS total,
       (100.0 * {done} / nullif({total}, 0))::float8 AS done_percent
  FROM {view}
 WHERE datname = current_database()
"""


def _work(operation: str, view: str, phase: str, done: str, total: str) -> str:
    return filled(_WORK, operation=operation, view=view, phase=phase, done=done, total=total)


_VACUUM = _work("'VACUUM'", "pg_stat_progress_vacuum", "phase", "heap_blks_scanned", "heap_blks_total")
_INDEX = _work("command", "pg_stat_progress_create_index", "phase", "blocks_done", "blocks_total")
_CLUSTER = _work("command", "pg_stat_progress_cluster", "phase", "heap_blks_scanned", "heap_blks_total")
_ANALYZE = _work("'ANALYZE'", "pg_stat_progress_analyze", "phase", "sample_blks_scanned", "sample_blks_total")
_COPY = _work("command", "pg_stat_progress_copy", "'copying'", "bytes_processed", "bytes_total")

RUNNING_WORK = Probe(
    name="running_work",
    subset="progress",
    scope=DATABASE,
    row=Progress,
    needs_monitor=True,
    sql={
        13: " UNION ALL ".join((_VACUUM, _INDEX, _CLUSTER, _ANALYZE)),
        14: " UNION ALL ".join((_VACUUM, _INDEX, _CLUSTER, _ANALYZE, _COPY)),
    },
)

BASE_BACKUPS = Probe(
    name="base_backups",
    subset="progress",
    scope=CLUSTER,
    row=Progress,
    needs_monitor=True,
    sql={
        13: """
SELECT 'BASE BACKUP' AS operation, pid, NULL::text AS object, phase, coalesce(backup_streamed, 0) AS done,
       backup_total AS total, (100.0 * backup_streamed / nullif(backup_total, 0))::float8 AS done_percent
  FROM pg_stat_progress_basebackup
"""
    },
)

PROBES = (RUNNING_WORK, BASE_BACKUPS)
