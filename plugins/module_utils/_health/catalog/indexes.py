# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Indexes that are broken, unused, or there twice; sequences are in their own room."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import DATABASE, Probe


@dataclass(frozen=True)
class InvalidIndex:
    table: str
    index: str
    # broken, or leftover of a rebuild, or partitioned and without an index on some partition.
    kind: str


# One that is being built, rebuilt or dropped right now is invalid until that is
# finished. Whoever rebuilds or drops holds the index itself, which a vacuum of its
# table does not. Whoever builds holds only the table and is known by the progress
# shown, where no index is named until there is one to see. NOT EXISTS, not NOT IN: a role
# without pg_monitor gets nulls for others' builds, and one null would make NOT IN
# hide every index.
INVALID_INDEXES = Probe(
    name="invalid_indexes",
    subset="indexes",
    scope=DATABASE,
    row=InvalidIndex,
    sql={
        13: """
WITH here AS MATERIALIZED (
  SELECT oid FROM pg_database WHERE datname = current_database()
), worked_on AS MATERIALIZED (
  SELECT DISTINCT l.relation
    FROM pg_locks l
    JOIN here ON here.oid = l.database
   WHERE l.locktype = 'relation' AND l.mode IN ('ShareUpdateExclusiveLock', 'AccessExclusiveLock')
)
SELECT n.nspname || '.' || t.relname AS "table", n.nspname || '.' || c.relname AS index,
       CASE WHEN c.relkind = 'I' THEN 'partitioned'
            WHEN c.relname ~ '_cc(new|old)[0-9]*$' THEN 'leftover'
            ELSE 'broken' END AS kind
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE NOT (i.indisvalid AND i.indisready AND i.indislive)
   AND NOT EXISTS (SELECT FROM worked_on WHERE worked_on.relation = i.indexrelid)
   AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p JOIN here ON here.oid = p.datid
                    WHERE p.relid = i.indrelid AND p.index_relid IN (0, i.indexrelid))
 ORDER BY 1, 2
 LIMIT %(limit)s
"""
    },
)


@dataclass(frozen=True)
class UnusedIndex:
    table: str
    index: str
    bytes: int
    # How far back the count of scans goes.
    statistics_days: float


# Indexes that guard a rule (unique, exclusion, primary key) or that CLUSTER and
# logical replication name are in use without ever being scanned; a part of a
# partitioned index cannot be dropped alone. Statistics that were never reset
# began with the cluster, whose birth is kept in the system identifier.
UNUSED_INDEXES = Probe(
    name="unused_indexes",
    subset="indexes",
    scope=DATABASE,
    row=UnusedIndex,
    sql={
        13: """
SELECT n.nspname || '.' || t.relname AS "table", n.nspname || '.' || c.relname AS index,
       c.relpages::bigint * %(block_bytes)s AS bytes,
       (extract(epoch FROM clock_timestamp() - began.at) / 86400)::float8 AS statistics_days
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
 CROSS JOIN (SELECT coalesce(pg_stat_get_db_stat_reset_time(d.oid), to_timestamp(s.system_identifier >> 32)) AS at
               FROM pg_database d, pg_control_system() s
              WHERE d.datname = current_database()) began
 WHERE c.relkind = 'i' AND NOT c.relispartition AND c.oid >= 16384
   AND n.nspname <> 'pg_toast' AND t.relpersistence <> 't'
   AND i.indisvalid AND NOT (i.indisunique OR i.indisexclusion OR i.indisclustered OR i.indisreplident)
   AND pg_stat_get_numscans(i.indexrelid) = 0
 ORDER BY c.relpages DESC, 1, 2
 LIMIT %(limit)s
"""
    },
)


@dataclass(frozen=True)
class DuplicateIndex:
    table: str
    indexes: list[str]
    wasted_bytes: int


# Expressions are compared as the parser stored them, less the positions at
# which they stood in the statement that made them. All of that only for the few
# whose columns and operators are alike.
DUPLICATE_INDEXES = Probe(
    name="duplicate_indexes",
    subset="indexes",
    scope=DATABASE,
    row=DuplicateIndex,
    sql={
        13: r"""
WITH alike AS MATERIALIZED (
  SELECT array_agg(indexrelid) AS indexes
    FROM pg_index
   WHERE indisvalid AND indexrelid >= 16384
   GROUP BY indrelid, indkey::int2[], indclass
  HAVING count(*) > 1
)
SELECT n.nspname || '.' || t.relname AS "table", same.indexes, same.wasted * %(block_bytes)s AS wasted_bytes
  FROM (SELECT i.indrelid, array_agg(c.relname::text ORDER BY c.relname) AS indexes,
               (sum(c.relpages) - max(c.relpages))::bigint AS wasted
          FROM pg_index i
          JOIN pg_class c ON c.oid = i.indexrelid
         WHERE c.relkind = 'i' AND i.indexrelid = ANY (ARRAY(SELECT unnest(indexes) FROM alike))
         GROUP BY i.indrelid, c.relam, i.indkey::text, i.indclass::text, i.indcollation::text, i.indoption::text,
                  i.indnkeyatts, i.indisexclusion,
                  regexp_replace(i.indexprs::text, ':location -?\d+', '', 'g'),
                  regexp_replace(i.indpred::text, ':location -?\d+', '', 'g')
        HAVING count(*) > 1) same
  JOIN pg_class t ON t.oid = same.indrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE n.nspname <> 'pg_toast'
 ORDER BY same.wasted DESC, 1, 2
 LIMIT %(limit)s
"""
    },
)

PROBES = (INVALID_INDEXES, UNUSED_INDEXES, DUPLICATE_INDEXES)
