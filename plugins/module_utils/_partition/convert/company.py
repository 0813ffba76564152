# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What stands around a table: foreign keys both ways, triggers, statistics, publications."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    CHECK,
    ForeignKey,
    Publication,
    Reference,
    Statistics,
    Trigger,
)
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

FOREIGN_KEYS = """
SELECT k.conname::text AS name, pg_get_constraintdef(k.oid) AS definition, k.convalidated AS valid,
       k.conrelid = k.confrelid AS itself, k.confrelid::regclass::text AS target,
       has_table_privilege(k.confrelid, 'REFERENCES') AS permitted, obj_description(k.oid, 'pg_constraint') AS said
  FROM pg_constraint k WHERE k.conrelid = %(oid)s AND k.contype = 'f' ORDER BY k.conname
"""

REFERENCES = """
SELECT n.nspname::text AS schema, c.relname::text AS "table", k.conname::text AS name,
       pg_get_constraintdef(k.oid) AS definition, k.convalidated AS valid,
       c.relkind = 'p' OR c.relispartition AS partitioned, pg_has_role(c.relowner, 'USAGE') AS owned,
       obj_description(k.oid, 'pg_constraint') AS said,
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(number, place)
               JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.place) AS columns
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE k.confrelid = %(oid)s AND k.contype = 'f' AND k.conrelid <> k.confrelid
 ORDER BY n.nspname, c.relname, k.conname
"""

TRIGGERS = """
SELECT t.tgname::text AS name, pg_get_triggerdef(t.oid) AS definition, t.tgenabled::text AS enabled,
       t.tgtype & 1 > 0 AS row, t.tgtype & 2 > 0 AS before,
       t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL AS transition, obj_description(t.oid, 'pg_trigger') AS said
  FROM pg_trigger t
 WHERE t.tgrelid = %(oid)s AND NOT t.tgisinternal AND NOT starts_with(t.tgname, %(ours)s) ORDER BY t.tgname
"""

STATISTICS = """
SELECT n.nspname::text AS schema, s.stxname::text AS name,
       left(substr(pg_get_statisticsobjdef(s.oid),
                   length(format('CREATE STATISTICS %%I.%%I', n.nspname, s.stxname)) + 1),
            -length(format(' FROM %%I.%%I', cn.nspname, c.relname))) AS middle,
       coalesce(s.stxstattarget, -1)::int AS target,
       nullif(pg_get_userbyid(s.stxowner), current_user)::text AS owner,
       obj_description(s.oid, 'pg_statistic_ext') AS said
  FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
  JOIN pg_class c ON c.oid = s.stxrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
 WHERE s.stxrelid = %(oid)s ORDER BY s.stxname
"""

PUBLICATIONS = """
SELECT p.pubname::text AS name, p.pubviaroot AS via_root, false AS wide, pg_has_role(p.pubowner, 'USAGE') AS owned{more}
  FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = %(oid)s
"""
COLUMNS_AND_FILTER = """, pg_get_expr(r.prqual, r.prrelid) AS filter,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = r.prrelid AND a.attnum = ANY(r.prattrs::int2[]) ORDER BY a.attnum) AS columns"""
WIDE_PUBLICATIONS = """
SELECT p.pubname::text AS name, p.pubviaroot AS via_root, true AS wide, true AS owned
  FROM pg_publication p WHERE p.puballtables {more} ORDER BY 1
"""
OF_ITS_SCHEMA = """OR p.oid IN (SELECT pnpubid FROM pg_publication_namespace JOIN pg_class ON relnamespace = pnnspid
                                 WHERE pg_class.oid = %(oid)s)"""


def read_foreign_keys(session: Session, oid: int) -> tuple[ForeignKey, ...]:
    return tuple(ForeignKey(**row) for row in session.fetch(FOREIGN_KEYS, {"oid": oid}))


def read_references(session: Session, oid: int) -> tuple[Reference, ...]:
    rows = session.fetch(REFERENCES, {"oid": oid})
    return tuple(Reference(**{**row, "columns": tuple(row["columns"])}) for row in rows)


def read_triggers(session: Session, oid: int) -> tuple[Trigger, ...]:
    return tuple(Trigger(**row) for row in session.fetch(TRIGGERS, {"oid": oid, "ours": CHECK}))


def read_statistics(session: Session, oid: int) -> tuple[Statistics, ...]:
    return tuple(Statistics(**row) for row in session.fetch(STATISTICS, {"oid": oid}))


def read_publications(session: Session, oid: int) -> tuple[Publication, ...]:
    recent = session.major >= 15
    named = session.fetch(PUBLICATIONS.replace("{more}", COLUMNS_AND_FILTER if recent else ""), {"oid": oid})
    wide = session.fetch(WIDE_PUBLICATIONS.replace("{more}", OF_ITS_SCHEMA if recent else ""), {"oid": oid})
    rows = [{**row, "columns": tuple(row.get("columns") or ())} for row in (*named, *wide)]
    return tuple(Publication(**row) for row in sorted(rows, key=lambda row: str(row["name"])))
