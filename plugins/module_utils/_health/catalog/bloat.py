# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How much space tables and indexes take beyond what their rows need: estimated, nothing is read.

Rows and pages are those of the last vacuum or analyze, widths those of the
last analyze. Only relations of a megabyte and more are looked at, the largest
first, so that the cost does not follow the number of tables.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import DATABASE, Probe


@dataclass(frozen=True)
class Bloat:
    table: str
    index: str | None
    bytes: int
    wasted_bytes: int
    wasted_percent: float


# pg_stats is asked for one table at a time: the planner cannot guess how many
# rows that view has, and joined as a whole it is read as a whole.

# What a row takes: its header (with the null bitmap 24 to 32 bytes), its
# columns, padding to eight, and four bytes of pointer in the page.
TABLE_BLOAT = Probe(
    name="table_bloat",
    subset="bloat",
    scope=DATABASE,
    row=Bloat,
    sql={
        13: """
WITH large AS MATERIALIZED (
  SELECT c.oid, n.nspname, c.relname, c.relpages::bigint AS pages, c.reltuples::float8 AS rows,
         coalesce((SELECT option_value::float8 FROM pg_options_to_table(c.reloptions)
                    WHERE option_name = 'fillfactor'), 100) / 100 AS fill
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'm') AND c.oid >= 16384 AND c.relpersistence <> 't' AND c.reltuples >= 0
     AND c.relpages >= 1048576 / %(block_bytes)s
   ORDER BY c.relpages DESC
   LIMIT 500
), estimate AS (
  SELECT l.nspname, l.relname, l.pages,
         ceil(l.rows * (4 + 8 * ceil((CASE WHEN w.nulls THEN 28 ELSE 24 END + w.data_bytes) / 8)) /
              ((%(block_bytes)s - 24) * l.fill)) AS needed
    FROM large l
   CROSS JOIN LATERAL (
         SELECT count(*) AS known, sum((1 - s.null_frac) * s.avg_width) AS data_bytes, bool_or(s.null_frac > 0) AS nulls
           FROM pg_stats s
          WHERE s.schemaname = l.nspname AND s.tablename = l.relname AND NOT s.inherited
         ) w
   WHERE w.known > 0
     AND w.known = (SELECT count(*) FROM pg_attribute a
                     WHERE a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped)
)
SELECT nspname || '.' || relname AS "table", NULL::text AS index, pages * %(block_bytes)s AS bytes,
       (greatest(pages - needed, 0) * %(block_bytes)s)::bigint AS wasted_bytes,
       (100.0 * greatest(pages - needed, 0) / pages)::float8 AS wasted_percent
  FROM estimate
 ORDER BY 4 DESC, 1
 LIMIT %(limit)s
"""
    },
)

# B-trees only. Pages are filled to nine tenths unless told otherwise; equal
# keys that are stored once make an index smaller than this, never larger.
INDEX_BLOAT = Probe(
    name="index_bloat",
    subset="bloat",
    scope=DATABASE,
    row=Bloat,
    sql={
        13: """
WITH large AS MATERIALIZED (
  SELECT c.oid, n.nspname, t.relname AS table_name, c.relname, c.relpages::bigint AS pages,
         c.reltuples::float8 AS rows,
         coalesce((SELECT option_value::float8 FROM pg_options_to_table(c.reloptions)
                    WHERE option_name = 'fillfactor'), 90) / 100 AS fill
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace
    JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'
   WHERE c.relkind = 'i' AND c.oid >= 16384 AND t.relpersistence <> 't' AND c.reltuples >= 0
     AND n.nspname <> 'pg_toast' AND c.relpages >= 1048576 / %(block_bytes)s
   ORDER BY c.relpages DESC
   LIMIT 500
), estimate AS (
  SELECT l.nspname, l.table_name, l.relname, l.pages,
         1 + ceil(l.rows * (4 + 8 * ceil((8 + w.data_bytes) / 8)) / ((%(block_bytes)s - 40) * l.fill)) AS needed
    FROM large l
   CROSS JOIN LATERAL (
         SELECT count(*) AS known, sum((1 - s.null_frac) * s.avg_width) AS data_bytes
           FROM pg_index i
           JOIN pg_attribute k ON k.attrelid = i.indexrelid
           LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.attnum - 1] AND a.attnum > 0
          CROSS JOIN LATERAL (
                SELECT null_frac, avg_width
                  FROM pg_stats
                 WHERE schemaname = l.nspname AND NOT inherited
                   AND tablename = CASE WHEN a.attname IS NULL THEN l.relname ELSE l.table_name END
                   AND attname = coalesce(a.attname, k.attname)
                 LIMIT 1 -- there is one; it keeps the planner from joining the view as a whole
                ) s
          WHERE i.indexrelid = l.oid
         ) w
   WHERE w.known > 0 AND w.known = (SELECT count(*) FROM pg_attribute k WHERE k.attrelid = l.oid)
)
SELECT nspname || '.' || table_name AS "table", nspname || '.' || relname AS index, pages * %(block_bytes)s AS bytes,
       (greatest(pages - needed, 0) * %(block_bytes)s)::bigint AS wasted_bytes,
       (100.0 * greatest(pages - needed, 0) / pages)::float8 AS wasted_percent
  FROM estimate
 ORDER BY 4 DESC, 1, 2
 LIMIT %(limit)s
"""
    },
)


@dataclass(frozen=True)
class Unestimated:
    """How many large tables could not be estimated, for want of privileges or of statistics."""

    forbidden: int
    never_analyzed: int


# A table that neither vacuum nor analyze ever saw has no pages in the catalogue.
# A row takes 28 bytes at least, so that its rows may tell that it is large.
UNESTIMATED = Probe(
    name="unestimated",
    subset="bloat",
    scope=DATABASE,
    row=Unestimated,
    sql={
        13: """
SELECT count(*) FILTER (WHERE NOT may_read)::int AS forbidden,
       count(*) FILTER (WHERE may_read AND NOT has_statistics)::int AS never_analyzed
  FROM (SELECT has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid) AS may_read,
               EXISTS (SELECT FROM pg_stats s WHERE s.schemaname = n.nspname AND s.tablename = c.relname)
                 AS has_statistics
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'm') AND c.oid >= 16384 AND c.relpersistence <> 't'
           AND (c.relpages >= 1048576 / %(block_bytes)s
                OR c.relpages = 0 AND pg_stat_get_live_tuples(c.oid) >= 1048576 / 28)) large
"""
    },
)

PROBES = (TABLE_BLOAT, INDEX_BLOAT, UNESTIMATED)
