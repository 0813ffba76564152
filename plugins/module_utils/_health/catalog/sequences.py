# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Sequences and how much of their range is used.

The pg_sequences view takes a ROW EXCLUSIVE lock on each sequence to read its
value. Selecting from the sequence itself takes ACCESS SHARE, so its position
is read that way, many of them in one statement.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import DATABASE, Probe


@dataclass(frozen=True)
class Sequence:
    sequence: str
    last_value: int
    end_value: int
    used_percent: float


@dataclass(frozen=True)
class SequenceRange:
    """Where a sequence may go; the narrower of its own end and its column's."""

    schema: str
    name: str
    first: int
    end: int
    readable: bool
    # Somebody drops or truncates it, or waits to: reading it would mean to wait too.
    locked: bool


# What the listing finds is what the reading is composed from. Unlogged sequences
# are empty on a standby, which refuses to read them.
# The columns a sequence feeds are those that own it and those whose default calls it.
LISTING = """
SELECT n.nspname::text AS schema, c.relname::text AS name,
       CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END AS first,
       CASE WHEN s.seqincrement > 0
            THEN least(s.seqmax, CASE fed.bytes WHEN 2 THEN 32767 WHEN 4 THEN 2147483647 END)
            ELSE greatest(s.seqmin, CASE fed.bytes WHEN 2 THEN -32768 WHEN 4 THEN -2147483648 END)
       END AS "end",
       has_sequence_privilege(s.seqrelid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS readable,
       s.seqrelid IN (SELECT l.relation
                        FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                       WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
                         AND d.datname = current_database()) AS locked
  FROM pg_sequence s
  JOIN pg_class c ON c.oid = s.seqrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (
       SELECT min(a.attlen)::int AS bytes
         FROM (SELECT d.refobjid AS relation, d.refobjsubid AS number
                 FROM pg_depend d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid
                  AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
               UNION ALL
               SELECT f.adrelid, f.adnum
                 FROM pg_depend d
                 JOIN pg_attrdef f ON f.oid = d.objid
                WHERE d.classid = 'pg_attrdef'::regclass
                  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = s.seqrelid) used
         JOIN pg_attribute a ON a.attrelid = used.relation AND a.attnum = used.number
                            AND a.atttypid IN ('int2'::regtype, 'int4'::regtype)
       ) fed
 WHERE NOT s.seqcycle AND c.relpersistence <> 't' AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery())
"""

POSITION = "SELECT {ordinal} AS ordinal, last_value FROM {sequence} WHERE is_called"

# How many sequences one statement reads.
BATCH = 500

SEQUENCES = Probe(
    name="sequences",
    subset="sequences",
    scope=DATABASE,
    row=Sequence,
    sql={},
    advice="GRANT pg_read_all_data (from version 14) or SELECT ON SEQUENCES to the role",
)

PROBES = (SEQUENCES,)
