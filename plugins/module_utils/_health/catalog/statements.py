# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The statements that cost the server most, where pg_stat_statements keeps count."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import DATABASE, Probe


@dataclass(frozen=True)
class Statement:
    query_id: str
    role: str | None
    statement_database: str | None
    calls: int
    total_seconds: float
    total_percent: float
    mean_milliseconds: float
    rows: int
    cache_hit_percent: float | None
    temp_bytes: int
    query: str


# Where the extension's view lives is up to whoever created it.
HOME = """
SELECT n.nspname::text AS schema
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = 'pg_stat_statements'
"""

HEAVIEST = """
WITH counted AS MATERIALIZED (
  SELECT *, sum(total_exec_time) OVER () AS everything FROM {view}
)
SELECT queryid::text AS query_id, pg_get_userbyid(userid)::text AS role,
       (SELECT datname::text FROM pg_database WHERE oid = dbid) AS statement_database, calls,
       total_exec_time / 1000 AS total_seconds,
       coalesce(100 * total_exec_time / nullif(everything, 0), 0) AS total_percent,
       mean_exec_time AS mean_milliseconds, rows,
       (100.0 * shared_blks_hit / nullif(shared_blks_hit + shared_blks_read, 0))::float8 AS cache_hit_percent,
       (temp_blks_read + temp_blks_written) * %(block_bytes)s AS temp_bytes, query
  FROM counted
 ORDER BY total_exec_time DESC
 LIMIT %(limit)s
"""

STATEMENTS = Probe(
    name="statements",
    subset="statements",
    scope=DATABASE,
    row=Statement,
    sql={},
    needs_monitor=True,
    advice="CREATE EXTENSION pg_stat_statements in one of them; it has to be in shared_preload_libraries",
)

PROBES = (STATEMENTS,)
