# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the server is asked about a plain table, each question beside what its rows become."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._partition import traits
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.company import (
    read_foreign_keys,
    read_publications,
    read_references,
    read_statistics,
    read_triggers,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.obstacles import read_obstacles
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    Column,
    Index,
    Scene,
    Sequence,
    hidden,
)
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

# The other traits are those that partitions take over from their table.
TABLE = """
SELECT n.nspname::text AS schema, c.relname::text AS name, pg_get_userbyid(c.relowner)::text AS owner,
       obj_description(c.oid, 'pg_class') AS said,
       coalesce(c.reloptions, '{}') || ARRAY(SELECT 'toast.' || o FROM unnest(t.reloptions) o) AS storage,
       ARRAY(SELECT p FROM unnest(%(privileges)s::text[]) p WHERE c.relacl IS NOT NULL
                AND p NOT IN (SELECT g.privilege_type FROM aclexplode(c.relacl) g WHERE g.grantee = c.relowner)
              ORDER BY p) AS withheld
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
 WHERE c.oid = %(oid)s
"""

# What an owner has of a table, unless it was taken away.
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")

COLUMNS = """
SELECT a.attname::text AS name, format_type(a.atttypid, NULL) AS type,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation,
                 pg_get_expr(d.adbin, d.adrelid), a.attstorage, a.attacl::text) AS definition,
       a.attnotnull AS not_null, a.attgenerated <> '' AS generated, a.attidentity::text AS identity,
       coalesce(a.attstattarget, -1)::int AS statistics, coalesce(a.attoptions, '{}') AS options
  FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum
"""

INDEXES = """
SELECT i.indexrelid::bigint AS oid, x.relname::text AS name, i.indisunique AS "unique", i.indisvalid AS valid,
       coalesce(k.contype::text, '') AS kind, i.indisreplident AS identity, i.indisexclusion AS exclusion,
       i.indisclustered AS clustered,
       substr(pg_get_indexdef(i.indexrelid), length(format('CREATE %%sINDEX %%I ON %%I.%%I ',
              CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, x.relname, n.nspname, c.relname)) + 1) AS tail,
       key.columns, ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY u(number, place)
                            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number
                           WHERE u.place > i.indnkeyatts ORDER BY u.place) AS included,
       coalesce(k.condeferrable, false) AS deferrable, coalesce(k.condeferred, false) AS deferred,
       coalesce(starts_with(pg_get_constraintdef(k.oid), 'UNIQUE NULLS NOT DISTINCT'), false) AS nulls_not_distinct,
       i.indexprs IS NOT NULL OR i.indpred IS NOT NULL AS special,
       k.oid IS NOT NULL OR right(pg_get_indexdef(i.indexrelid), length(key.quoted) + 15)
                            = format(' USING btree (%%s)', key.quoted) AS simple,
       coalesce(x.reloptions, '{}') AS options,
       (SELECT spcname::text FROM pg_tablespace s WHERE s.oid = x.reltablespace) AS tablespace,
       obj_description(i.indexrelid, 'pg_class') AS said, obj_description(k.oid, 'pg_constraint') AS constraint_said
  FROM pg_index i
  JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_class c ON c.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
 CROSS JOIN LATERAL (
       SELECT coalesce(array_agg(a.attname::text ORDER BY u.place), '{}') AS columns,
              string_agg(quote_ident(a.attname), ', ' ORDER BY u.place) AS quoted
         FROM unnest(i.indkey) WITH ORDINALITY u(number, place)
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number
        WHERE u.place <= i.indnkeyatts) key
 WHERE i.indrelid = %(oid)s AND NOT starts_with(x.relname, %(hidden)s)
 ORDER BY x.relname
"""

SEQUENCES = """
SELECT n.nspname::text AS schema, s.relname::text AS name, a.attname::text AS "column",
       CASE d.deptype WHEN 'i' THEN a.attidentity::text ELSE '' END AS identity,
       format('START WITH %%s INCREMENT BY %%s MINVALUE %%s MAXVALUE %%s CACHE %%s%%s', q.seqstart, q.seqincrement,
              q.seqmin, q.seqmax, q.seqcache, CASE WHEN q.seqcycle THEN ' CYCLE' ELSE '' END) AS parameters,
       ARRAY(SELECT json_build_array(CASE g.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(g.grantee) END,
                                     g.privilege_type, g.is_grantable)
               FROM aclexplode(s.relacl) g WHERE g.grantee <> s.relowner ORDER BY 1::text) AS grants,
       obj_description(s.oid, 'pg_class') AS said
  FROM pg_depend d
  JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
  JOIN pg_namespace n ON n.oid = s.relnamespace
  JOIN pg_sequence q ON q.seqrelid = s.oid
  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = %(oid)s
   AND d.deptype IN ('a', 'i')
 ORDER BY s.oid
"""


@contextmanager
def plain_names(session: Session) -> Iterator[None]:
    """Inside, the server writes every name with its schema. Only within a transaction."""
    before = session.fetch("SELECT current_setting('search_path') AS path")[0]["path"]
    session.fetch("SET LOCAL search_path = pg_catalog")
    yield
    session.fetch("SELECT set_config('search_path', %(path)s, true)", {"path": before})


def read_scene(session: Session, oid: int) -> Scene:
    """All that comes along, as it is now. Only within a transaction."""
    privileges = [*PRIVILEGES, *(["MAINTAIN"] if session.major >= 17 else [])]
    values = {"oid": oid, "hidden": hidden(oid), "privileges": privileges}
    known = traits.read_traits(session, oid)
    with plain_names(session):
        table = session.fetch(TABLE, values)[0]
        return Scene(
            oid=oid,
            schema=table["schema"],
            name=table["name"],
            owner=table["owner"],
            said=table["said"],
            traits=replace(known, storage=tuple(table["storage"])),
            withheld=tuple(table["withheld"]),
            columns=tuple(Column(**_tuples(row)) for row in session.fetch(COLUMNS, values)),
            indexes=tuple(Index(**_tuples(row)) for row in session.fetch(INDEXES, values)),
            sequences=tuple(_sequence(row) for row in session.fetch(SEQUENCES, values)),
            foreign_keys=read_foreign_keys(session, oid),
            references=read_references(session, oid),
            triggers=read_triggers(session, oid),
            statistics=read_statistics(session, oid),
            publications=read_publications(session, oid),
            obstacles=read_obstacles(session, oid),
        )


def _sequence(row: dict[str, Any]) -> Sequence:
    return Sequence(**{**row, "grants": tuple(tuple(each) for each in row["grants"])})


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
