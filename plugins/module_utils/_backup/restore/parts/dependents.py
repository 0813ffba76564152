# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What refers to tables that are replaced, and how it is made to refer to what takes their place.

Foreign keys are made again, and thereby checked against the rows that came back; views are written again as they
were; members of publications are exchanged. Anything else is an obstacle, told before anything is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier

# The tables themselves, what inherits from them, their sequences and their row types.
_SET = """
WITH RECURSIVE tables AS (
  SELECT unnest(%(oids)s::bigint[]::oid[]) AS oid
  UNION SELECT i.inhrelid FROM pg_inherits i JOIN tables t ON t.oid = i.inhparent
), mine AS (
  SELECT oid FROM tables
  UNION SELECT d.objid FROM pg_depend d JOIN tables t ON t.oid = d.refobjid JOIN pg_class s ON s.oid = d.objid
         WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND s.relkind IN ('S', 'i', 'I')
), types AS (SELECT y.oid FROM pg_type y JOIN mine m ON m.oid = y.typrelid)
"""


def _of(query: str) -> str:
    return _SET + query


FOREIGN_KEYS = _of("""
SELECT c.conname::text AS name, n.nspname::text AS schema, k.relname::text AS table,
       pg_get_constraintdef(c.oid) AS definition
  FROM pg_constraint c JOIN pg_class k ON k.oid = c.conrelid JOIN pg_namespace n ON n.oid = k.relnamespace
 WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid IN (SELECT oid FROM tables)
   AND c.conrelid NOT IN (SELECT oid FROM tables) ORDER BY 2, 3, 1
""")
# Theirs to others would go on holding rows of those.
OWN_FOREIGN_KEYS = _of("""
SELECT c.conname::text AS name, n.nspname::text AS schema, k.relname::text AS table
  FROM pg_constraint c JOIN pg_class k ON k.oid = c.conrelid JOIN pg_namespace n ON n.oid = k.relnamespace
 WHERE c.contype = 'f' AND c.conparentid = 0 AND c.conrelid IN (SELECT oid FROM tables)
   AND c.confrelid NOT IN (SELECT oid FROM tables)
""")
VIEWS = _of("""
SELECT DISTINCT v.oid::bigint AS oid, n.nspname::text AS schema, v.relname::text AS name,
       pg_get_viewdef(v.oid) AS definition, array_to_string(v.reloptions, ', ') AS options
  FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
  JOIN pg_namespace n ON n.oid = v.relnamespace
 WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
   AND d.refobjid IN (SELECT oid FROM tables) AND v.relkind = 'v' ORDER BY 1
""")
PUBLICATIONS = _of("""
SELECT p.pubname::text AS publication, n.nspname::text AS schema, c.relname::text AS name,
       to_jsonb(r)->>'prqual' IS NOT NULL OR to_jsonb(r)->>'prattrs' IS NOT NULL AS filtered
  FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
  JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE r.prrelid IN (SELECT oid FROM tables)
""")
OTHERS = _of("""
SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) AS what
  FROM pg_depend d
  LEFT JOIN pg_constraint c ON d.classid = 'pg_constraint'::regclass AND c.oid = d.objid
  LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid
  LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
  LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
  LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
  LEFT JOIN pg_class v ON v.oid = r.ev_class
 WHERE ((d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM mine))
        OR (d.refclassid = 'pg_type'::regclass AND d.refobjid IN (SELECT oid FROM types)))
   AND d.deptype IN ('n', 'a')
   AND coalesce(c.conrelid, a.adrelid, t.tgrelid, p.polrelid, r.ev_class, d.objid) NOT IN (SELECT oid FROM mine)
   AND NOT (d.classid = 'pg_type'::regclass AND d.objid IN (SELECT typarray FROM pg_type WHERE oid IN (TABLE types)))
   AND d.classid NOT IN ('pg_publication_rel'::regclass, 'pg_statistic_ext'::regclass)
   AND (v.relkind IS DISTINCT FROM 'v' OR d.refclassid = 'pg_type'::regclass)
   AND c.contype IS DISTINCT FROM 'f' AND (t.tgisinternal IS NOT TRUE)
 ORDER BY 1
""")
# Of a whole schema everything counts that is outside of it.
OUTSIDE = """
WITH mine AS (
  SELECT 'pg_class'::regclass AS classid, oid FROM pg_class WHERE relnamespace = %(schema)s::regnamespace
  UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace = %(schema)s::regnamespace
  UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = %(schema)s::regnamespace
)
SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) AS what
  FROM pg_depend d JOIN mine m ON m.classid = d.refclassid AND m.oid = d.refobjid
  LEFT JOIN pg_constraint c ON d.classid = 'pg_constraint'::regclass AND c.oid = d.objid
  LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid
  LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
  LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
  LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
  LEFT JOIN pg_class k ON k.oid = coalesce(c.conrelid, a.adrelid, t.tgrelid, p.polrelid, r.ev_class,
                                           CASE WHEN d.classid = 'pg_class'::regclass THEN d.objid END)
  LEFT JOIN pg_proc f ON d.classid = 'pg_proc'::regclass AND f.oid = d.objid
  LEFT JOIN pg_type y ON d.classid = 'pg_type'::regclass AND y.oid = d.objid
 WHERE d.deptype IN ('n', 'a') AND d.classid NOT IN ('pg_default_acl'::regclass)
   AND coalesce(nullif(k.relnamespace, 0), f.pronamespace, y.typnamespace, 0) <> %(schema)s::regnamespace
   AND NOT (k.oid IS NULL AND f.oid IS NULL AND y.oid IS NULL
            AND d.classid IN ('pg_constraint'::regclass, 'pg_statistic_ext'::regclass, 'pg_operator'::regclass,
                              'pg_opclass'::regclass, 'pg_opfamily'::regclass, 'pg_amop'::regclass,
                              'pg_amproc'::regclass, 'pg_cast'::regclass, 'pg_ts_config'::regclass,
                              'pg_ts_dict'::regclass, 'pg_conversion'::regclass, 'pg_collation'::regclass))
   AND coalesce(t.tgisinternal, false) IS FALSE
 ORDER BY 1
"""


def obstacles(session: Session, oids: Sequence[int], schemas: Sequence[str]) -> Iterator[str]:
    """`schemas` as to_regnamespace() reads them."""
    if oids:
        yield from (str(row["what"]) for row in session.fetch(OTHERS, {"oids": list(oids)}))
        for row in session.fetch(PUBLICATIONS, {"oids": list(oids)}):
            if row["filtered"]:
                yield f"publication {row['publication']} with its filter"
    for schema in schemas:
        yield from (str(row["what"]) for row in session.fetch(OUTSIDE, {"schema": schema}))


class Dependents:
    """Read before names change, made again afterwards; all in one transaction of the caller's."""

    def __init__(self, session: Session, oids: Sequence[int]) -> None:
        self._session = session
        values = {"oids": list(oids)}
        self._keys = session.fetch(FOREIGN_KEYS, values)
        self._own_keys = session.fetch(OWN_FOREIGN_KEYS, values)
        self._views = session.fetch(VIEWS, values)
        self._members = session.fetch(PUBLICATIONS, values)

    def let_go(self) -> None:
        for key in (*self._keys, *self._own_keys):
            self._run("ALTER TABLE {table} DROP CONSTRAINT {name}", _table(key), name=identifier(key["name"]))
        for row in self._members:
            table = identifier(row["schema"], row["name"])
            self._run("ALTER PUBLICATION {name} DROP TABLE {table}", table, name=identifier(row["publication"]))

    def take_hold(self) -> None:
        for view in self._views:
            options = compose(f" WITH ({view['options']})") if view["options"] else compose("")
            # The server's own text, with every name qualified.
            statement = "CREATE OR REPLACE VIEW {table}{options} AS " + _plain(view["definition"])
            self._run(statement, identifier(view["schema"], view["name"]), options=options)
        for key in self._keys:
            statement = "ALTER TABLE {table} ADD CONSTRAINT {name} " + _plain(key["definition"])
            self._run(statement, _table(key), name=identifier(key["name"]))
        for row in self._members:
            table = identifier(row["schema"], row["name"])
            self._run("ALTER PUBLICATION {name} ADD TABLE {table}", table, name=identifier(row["publication"]))

    def _run(self, statement: str, table: Any, **parts: Any) -> None:
        self._session.fetch(compose(statement, table=table, **parts))


def _table(row: Any) -> Any:
    return identifier(row["schema"], row["table"])


def _plain(text: str) -> str:
    """Inside of a statement whose placeholders are composed."""
    return text.replace("{", "{{").replace("}", "}}")
