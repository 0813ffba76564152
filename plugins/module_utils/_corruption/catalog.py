# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a database is asked: each block looks at one kind of thing after the other, and goes on where one is damaged.

A DO block has no answer, so it leaves its own in a setting of the session. Nothing is written: the session is
read-only, and nothing here needs more.
"""

from __future__ import annotations

DATABASES = "SELECT json_agg(datname ORDER BY datname) FROM pg_database WHERE datallowconn"

CHECKSUM_FAILURES = """
SELECT coalesce(json_agg(json_build_object(
         'database', coalesce(datname, ''), 'failures', checksum_failures, 'last', checksum_last_failure::text)), '[]')
  FROM pg_stat_database WHERE checksum_failures > 0
"""

# The schema of amcheck's functions here, null where the extension is not installed.
AMCHECK = """
SELECT to_json((SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
                 WHERE extname = 'amcheck'))
"""

_BLOCK = """
DO $runbook$
DECLARE
  one record; told text; bad bigint; looked int := 0; found jsonb := '[]'; passed jsonb := '[]';
BEGIN
  FOR one IN {what} LOOP
    looked := looked + 1;
    told := NULL;
    BEGIN
      {look}
    EXCEPTION WHEN undefined_table OR undefined_object THEN
      -- It was dropped while this ran.
      NULL;
    WHEN query_canceled OR admin_shutdown OR lock_not_available THEN
      RAISE;
    WHEN insufficient_resources OR program_limit_exceeded OR operator_intervention OR feature_not_supported THEN
      -- A full disk says nothing of the data, nor does what a standby cannot read.
      looked := looked - 1;
      passed := passed || jsonb_build_object('object', one.name, 'told', SQLERRM);
    WHEN OTHERS THEN
      told := SQLERRM;
    END;
    IF told IS NOT NULL THEN
      found := found || jsonb_build_object('object', one.name, 'told', told);
    END IF;
  END LOOP;
  PERFORM set_config(
    'runbook.found', jsonb_build_object('looked', looked, 'found', found, 'passed', passed)::text, false);
END
$runbook$;
SELECT current_setting('runbook.found');
"""

# Temporary tables of others cannot be read, and a foreign table is not here.
_TABLES = """
SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence <> 't' ORDER BY c.oid
"""
_INDEXES = """
SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_am a ON a.oid = c.relam
 WHERE a.amname = 'btree' AND c.relkind = 'i' AND i.indisvalid AND i.indisready AND c.relpersistence <> 't'
 ORDER BY c.oid
"""
_SEQUENCES = """
SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'S' AND c.relpersistence <> 't' ORDER BY c.oid
"""
# What amcheck has no function for, and what the server itself does not use.
UNREAD_INDEXES = """
SELECT coalesce(json_agg(format('%I.%I (%s)', n.nspname, c.relname,
                                CASE WHEN i.indisvalid AND i.indisready THEN a.amname ELSE 'invalid' END)
                         ORDER BY c.oid), '[]')
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_am a ON a.oid = c.relam
 WHERE NOT (a.amname = 'btree' AND i.indisvalid AND i.indisready) AND c.relkind = 'i' AND c.relpersistence <> 't'
"""
_FOREIGN_KEYS = """
SELECT k.oid, format('%I on %s', k.conname, k.conrelid::regclass) AS name,
       k.conrelid::regclass AS child, k.confrelid::regclass AS parent,
       (SELECT string_agg(format('c.%I IS NOT NULL', a.attname), ' AND ')
          FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)) AS filled,
       (SELECT string_agg(format('p.%I = c.%I', f.attname, a.attname), ' AND ')
          FROM unnest(k.conkey, k.confkey) AS pair (own, other)
          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = pair.own
          JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = pair.other) AS same
  FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0 AND k.convalidated ORDER BY k.oid
"""


def block(what: str, look: str) -> str:
    return _BLOCK.replace("{what}", what.strip()).replace("{look}", look.strip())


# Every row is read, which holds every page of the table against its checksum.
_READ = "EXECUTE format('SELECT count(*) FROM ONLY %s', one.oid::regclass) INTO bad;"
READ_TABLES = block(_TABLES, _READ)
READ_SEQUENCES = block(_SEQUENCES, _READ)

# The index {schema}, quoted by who puts it in.
CHECK_TABLES = block(
    _TABLES,
    """
      SELECT string_agg(format('block %s, line %s: %s', blkno, offnum, msg), '; ') INTO told
        FROM (SELECT * FROM {schema}.verify_heapam(one.oid::regclass) LIMIT 3) AS faults;
    """,
)
CHECK_INDEXES = block(_INDEXES, "PERFORM {schema}.bt_index_check(one.oid::regclass, {rows});")

# Looking through the index would believe the index.
_NO_INDEX = "SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off;"
_HELD_AGAINST = block(
    _FOREIGN_KEYS,
    """
      EXECUTE format('SELECT count(*) FROM %s AS c WHERE %s AND NOT EXISTS (SELECT FROM %s AS p WHERE %s)',
                     one.child, one.filled, one.parent, one.same) INTO bad;
      IF bad > 0 THEN told := format('%s rows of %s have no row in %s', bad, one.child, one.parent); END IF;
    """,
)
ORPHANS = "\n".join((_NO_INDEX, _HELD_AGAINST))
