# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a scratch database with a backup's definitions tells of the tables that are to be restored."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.scene import Unit
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

# With all that inherits from them. Columns in the order in which pg_dump copies them.
TABLES = """
WITH RECURSIVE mine AS (
  SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = %(schema)s AND c.relname = coalesce(%(name)s, c.relname) AND c.relkind IN ('r', 'p')
  UNION SELECT i.inhrelid FROM pg_inherits i JOIN mine m ON m.oid = i.inhparent
)
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       pg_get_userbyid(c.relowner)::text AS owner, c.relkind = 'p' AS partitioned,
       format('COPY %%I.%%I (%%s) FROM stdin;', n.nspname, c.relname, said.columns) AS header, said.columns,
       ARRAY(SELECT s.oid::bigint FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
              WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                AND d.refobjid = c.oid AND d.deptype IN ('a', 'i')) AS sequences
  FROM mine m JOIN pg_class c ON c.oid = m.oid JOIN pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS columns FROM pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS said
 ORDER BY n.nspname, c.relname
"""
SEQUENCES = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       pg_get_userbyid(c.relowner)::text AS owner
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'S' AND (c.oid = ANY (%(oids)s::bigint[]::oid[]) OR n.nspname = %(schema)s)
"""


@dataclass(frozen=True)
class Sequence:
    oid: int
    schema: str
    name: str
    owner: str
    unit: Unit


@dataclass(frozen=True)
class Table:
    oid: int
    schema: str
    name: str
    owner: str
    partitioned: bool
    # As pg_restore writes the line before its rows.
    header: str | None
    columns: str | None
    # Of the unit that it came with.
    unit: Unit

    @property
    def title(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Found:
    tables: tuple[Table, ...]
    sequences: tuple[Sequence, ...]


def look(session: Session, units: tuple[Unit, ...]) -> Found:
    tables: dict[int, Table] = {}
    sequences: dict[int, Sequence] = {}
    for unit in units:
        rows = session.fetch(TABLES, {"schema": unit.schema, "name": unit.name})
        if not rows and unit.name is not None:
            raise Refused(f"The backup does not define a table {unit.title}: look what it holds.")
        owned = [oid for row in rows for oid in row.pop("sequences")]
        for row in rows:
            tables.setdefault(row["oid"], Table(**row, unit=unit))
        whole = unit.schema if unit.name is None else None
        for row in session.fetch(SEQUENCES, {"oids": owned, "schema": whole}):
            sequences.setdefault(row["oid"], Sequence(**row, unit=unit))
    return Found(tuple(tables.values()), tuple(sequences.values()))
