# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tables: dead rows, updates, scans and partitions. Sizes come from the catalogue, not from the files.

pg_relation_size() and its kin open the relation and so wait behind whoever
holds it exclusively, which is just when somebody looks at the health of a
server. The page counts that vacuum keeps in pg_class cost no lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._health.partition_bounds import (
    partitions_ahead,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import DATABASE, Probe, Server, filled


@dataclass(frozen=True)
class Table:
    """A table that stands out in at least one respect."""

    table: str
    bytes: int
    # With its indexes and what is stored beside it because it is long.
    total_bytes: int
    live_rows: int
    dead_rows: int
    dead_percent: float
    updates: int
    hot_update_percent: float | None
    sequential_scans: int
    rows_per_sequential_scan: float
    index_scans: int


# The statistics functions are called directly, each once for each table: the
# views call several times as many. What stands out is chosen by the server, so
# that the answer stays short however many tables there are.
TABLES = Probe(
    name="tables",
    subset="tables",
    scope=DATABASE,
    row=Table,
    sql={
        13: """
WITH indexed AS MATERIALIZED (
  SELECT i.indrelid, sum(c.relpages)::bigint AS pages
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
   GROUP BY i.indrelid
), counted AS MATERIALIZED (
  SELECT c.oid, c.relnamespace, c.relname, c.relpages::bigint * %(block_bytes)s AS bytes,
         (c.relpages::bigint + coalesce(own.pages, 0) + coalesce(t.relpages, 0) + coalesce(long.pages, 0))
           * %(block_bytes)s AS total_bytes,
         pg_stat_get_live_tuples(c.oid) AS live_rows, pg_stat_get_dead_tuples(c.oid) AS dead_rows,
         pg_stat_get_tuples_updated(c.oid) AS updates, pg_stat_get_tuples_hot_updated(c.oid) AS hot_updates,
         pg_stat_get_numscans(c.oid) AS sequential_scans, pg_stat_get_tuples_returned(c.oid) AS rows_scanned
    FROM pg_class c
    LEFT JOIN indexed own ON own.indrelid = c.oid
    LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
    LEFT JOIN indexed long ON long.indrelid = t.oid
   WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.oid >= 16384
), weighed AS (
  SELECT *,
         100.0 * dead_rows / nullif(live_rows + dead_rows, 0) AS dead_percent,
         100.0 * hot_updates / nullif(updates, 0) AS hot_update_percent,
         1.0 * rows_scanned / nullif(sequential_scans, 0) AS rows_per_sequential_scan
    FROM counted
), chosen AS (
  (SELECT oid FROM weighed WHERE total_bytes > 0 ORDER BY total_bytes DESC LIMIT %(limit)s)
  UNION
  (SELECT oid FROM weighed WHERE dead_rows > 0 ORDER BY dead_rows DESC LIMIT %(limit)s)
  UNION
  (SELECT oid FROM weighed WHERE dead_rows >= %(dead_percent_floor)s ORDER BY dead_percent DESC LIMIT %(limit)s)
  UNION
  (SELECT oid FROM weighed WHERE updates > 0 AND updates >= %(hot_update_percent_floor)s
    ORDER BY hot_update_percent LIMIT %(limit)s)
  UNION
  (SELECT oid FROM weighed WHERE sequential_scans > 0 AND sequential_scans >= %(rows_per_sequential_scan_floor)s
    ORDER BY rows_per_sequential_scan DESC LIMIT %(limit)s)
)
SELECT n.nspname || '.' || w.relname AS "table", w.bytes, w.total_bytes, w.live_rows, w.dead_rows,
       coalesce(w.dead_percent, 0)::float8 AS dead_percent, w.updates,
       w.hot_update_percent::float8 AS hot_update_percent, w.sequential_scans,
       coalesce(w.rows_per_sequential_scan, 0)::float8 AS rows_per_sequential_scan,
       coalesce((SELECT sum(pg_stat_get_numscans(i.indexrelid)) FROM pg_index i WHERE i.indrelid = w.oid), 0)::bigint
         AS index_scans
  FROM weighed w
  JOIN chosen USING (oid)
  JOIN pg_namespace n ON n.oid = w.relnamespace
 ORDER BY w.total_bytes DESC, 1
"""
    },
)


@dataclass(frozen=True)
class VacuumBacklog:
    tables_due: int
    tables_excluded: int


# Autovacuum's own arithmetic, with the tables' own settings: those that are
# past their threshold and not being worked on. Without pg_monitor the server shows
# others' vacuums with a null relid, which NOT EXISTS bears and NOT IN would not.
VACUUM_BACKLOG = Probe(
    name="vacuum_backlog",
    subset="tables",
    scope=DATABASE,
    row=VacuumBacklog,
    sql={
        13: """
WITH server AS (
  SELECT current_setting('autovacuum_vacuum_threshold')::float8 AS base,
         current_setting('autovacuum_vacuum_scale_factor')::float8 AS share,
         current_setting('autovacuum_vacuum_insert_threshold')::float8 AS insert_base,
         current_setting('autovacuum_vacuum_insert_scale_factor')::float8 AS insert_share
), counted AS (
  -- Most tables have neither dead nor new rows and need no arithmetic.
  SELECT c.oid, c.reloptions, greatest(c.reltuples, 0) AS rows,
         pg_stat_get_dead_tuples(c.oid) AS dead, pg_stat_get_ins_since_vacuum(c.oid) AS inserted
    FROM pg_class c
   WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
     AND (pg_stat_get_dead_tuples(c.oid) > 0 OR pg_stat_get_ins_since_vacuum(c.oid) > 0)
)
SELECT count(*) FILTER (WHERE coalesce(own.enabled, true))::int AS tables_due,
       count(*) FILTER (WHERE NOT own.enabled)::int AS tables_excluded
  FROM counted c
 CROSS JOIN server
  LEFT JOIN LATERAL (
       SELECT max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold')::float8 AS base,
              max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor')::float8 AS share,
              max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_insert_threshold')::float8
                AS insert_base,
              max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_insert_scale_factor')::float8
                AS insert_share,
              max(option_value) FILTER (WHERE option_name = 'autovacuum_enabled')::bool AS enabled
         FROM pg_options_to_table(c.reloptions)
       ) own ON c.reloptions IS NOT NULL
 WHERE (c.dead > coalesce(own.base, server.base) + coalesce(own.share, server.share) * c.rows
        -- A threshold of -1 turns off vacuuming for inserts alone.
        OR coalesce(own.insert_base, server.insert_base) >= 0
           AND c.inserted > coalesce(own.insert_base, server.insert_base)
                            + coalesce(own.insert_share, server.insert_share) * c.rows)
   AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum p
                    WHERE p.relid = c.oid AND p.datname = current_database())
"""
    },
)


@dataclass(frozen=True)
class PartitionedTable:
    """A table split into ranges of time, and how far ahead its partitions reach."""

    table: str
    partitions: int
    partitions_ahead: int | None
    newest_bound: str | None
    default_partition: str | None
    default_rows: int
    detach_pending: list[str]


def _with_reach(record: Mapping[str, Any], server: Server) -> PartitionedTable:
    """The bounds become how far they reach: a thousand of them would tell nobody more."""
    told = {name: value for name, value in record.items() if name != "bounds"}
    ahead, newest = partitions_ahead(record["bounds"], server.now)
    return PartitionedTable(partitions_ahead=ahead, newest_bound=newest, **told)


_PARTITIONED = """
SELECT n.nspname || '.' || p.relname AS "table", count(c.oid)::int AS partitions,
       CASE WHEN t.partstrat = 'r' AND t.partnatts = 1 AND
                 (SELECT a.atttypid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
                    FROM pg_attribute a WHERE a.attrelid = p.oid AND a.attnum = t.partattrs[0])
            THEN coalesce((array_agg(pg_get_expr(c.relpartbound, 0) ORDER BY c.oid DESC)
                             FILTER (WHERE c.oid IS DISTINCT FROM t.partdefid))[:1000], '{}')
            ELSE '{}' END AS bounds,
       max(c.relname::text) FILTER (WHERE c.oid = t.partdefid) AS default_partition,
       coalesce(max(greatest(pg_stat_get_live_tuples(c.oid), c.reltuples))
                  FILTER (WHERE c.oid = t.partdefid), 0)::bigint AS default_rows,
       coalesce(array_agg(pn.nspname || '.' || c.relname) FILTER (WHERE {pending}), '{}') AS detach_pending
  FROM pg_partitioned_table t
  JOIN pg_class p ON p.oid = t.partrelid
  JOIN pg_namespace n ON n.oid = p.relnamespace
  LEFT JOIN pg_inherits i ON i.inhparent = p.oid
  LEFT JOIN pg_class c ON c.oid = i.inhrelid
  LEFT JOIN pg_namespace pn ON pn.oid = c.relnamespace
 GROUP BY n.nspname, p.oid, p.relname, t.partstrat, t.partnatts, t.partattrs, t.partdefid
 ORDER BY 1
"""

# A standby counts no rows, and statistics may be reset: then the estimate of
# the last analyze stands for them. Bounds hold constants only, so pg_get_expr() needs no relation, and taking
# none it waits for no lock.
PARTITIONED_TABLES = Probe(
    name="partitioned_tables",
    subset="partitions",
    scope=DATABASE,
    row=PartitionedTable,
    convert=_with_reach,
    sql={
        13: filled(_PARTITIONED, pending="false"),
        14: filled(_PARTITIONED, pending="i.inhdetachpending"),
    },
)


@dataclass(frozen=True)
class LeftPartition:
    """A table that was detached to be archived or dropped, and is still there."""

    partition: str
    # What an interrupted run said it waits for, in full.
    waits_for: str
    archived: bool
    bytes: int


# The server knows no retention. What it does know is what pg_partition writes on a partition before it detaches it.
LEFT_PARTITIONS = Probe(
    name="left_partitions",
    subset="partitions",
    scope=DATABASE,
    row=LeftPartition,
    sql={
        13: """
SELECT n.nspname || '.' || c.relname AS partition, substr(m.mark, length('runbook.postgres: ') + 1) AS waits_for,
       m.mark LIKE '%%, to be archived, %%' AS archived, c.relpages::bigint * %(block_bytes)s AS bytes
  FROM pg_description d
 CROSS JOIN LATERAL (SELECT split_part(d.description, E'\\n', 1) AS mark) AS m
  JOIN pg_class c ON c.oid = d.objoid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE d.classoid = 'pg_class'::regclass AND d.objsubid = 0 AND c.relkind = 'r' AND NOT c.relispartition
   AND m.mark ~ '^runbook\\.postgres: detached from .*, to be (archived, .*|dropped)$'
 ORDER BY 1
"""
    },
)

PROBES = (TABLES, VACUUM_BACKLOG, PARTITIONED_TABLES, LEFT_PARTITIONS)
