# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What was staged takes its place, and what had it goes into a schema of its own: one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import checks, marks, naming
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts import plan, staging
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.dependents import Dependents
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.look import Found
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.scene import Unit
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.wish import Query
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier, literal

# So that nobody queues behind us for longer.
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '10s'"
ANSWER_TIMEOUT = "SET LOCAL statement_timeout = '20s'"

OID = """
SELECT c.oid::bigint AS oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = %s AND c.relname = %s
"""
# What goes along with a table that is moved aside.
BELOW = """
WITH RECURSIVE below AS (SELECT %(oid)s::bigint::oid AS oid
                         UNION SELECT i.inhrelid FROM pg_inherits i JOIN below b ON b.oid = i.inhparent)
SELECT n.nspname::text AS schema, c.relname::text AS name
  FROM below b JOIN pg_class c ON c.oid = b.oid JOIN pg_namespace n ON n.oid = c.relnamespace
"""


def put_in_place(
    session: Session, step: plan.PutInPlace, found: Found, backup: str, queries: Sequence[Query], now: datetime
) -> list[dict[str, Any]]:
    """Returns the answers to the user's queries; a wrong one undoes it all, and so does one that others wait for."""
    with session.transaction():
        session.fetch(LOCK_TIMEOUT)
        search_path = session.fetch("SELECT current_setting('search_path') AS path")[0]["path"]
        # So that the server writes every name in full.
        session.fetch("SET LOCAL search_path = pg_catalog")
        oids = _oids(session, step.units)
        dependents = Dependents(session, oids)
        dependents.let_go()
        kept = dict(step.kept)
        for schema, name in kept.items():
            _aside(session, schema, name, [each for each in step.units if each.to_schema == schema], backup, now)
        for unit in step.units:
            _take_place(session, unit, found, backup, now)
        for schema in {each.schema for each in step.units if each.name is not None}:
            session.fetch(compose("DROP SCHEMA {staged}", staged=identifier(naming.staging(schema))))
        dependents.take_hold()
        session.fetch("SELECT set_config('search_path', %s, true)", [search_path])
        session.fetch("SET LOCAL lock_timeout = 0")
        if step.kept:
            # Whoever uses what is replaced waits meanwhile.
            session.fetch(ANSWER_TIMEOUT)
        # A transaction can be made to only read, and not to write again.
        session.fetch("SET TRANSACTION READ ONLY")
        return checks.answers(session, queries)


def _oids(session: Session, units: Sequence[Unit]) -> list[int]:
    rows = [session.fetch(OID, [each.to_schema, each.to_name]) for each in units if each.name is not None]
    return [int(row[0]["oid"]) for row in rows if row]


def _aside(session: Session, schema: str, kept: str, units: Sequence[Unit], backup: str, now: datetime) -> None:
    note = literal(marks.kept(None, schema, backup, now))
    if any(each.name is None for each in units):
        statement = "ALTER SCHEMA {schema} RENAME TO {kept}"
        session.fetch(compose(statement, schema=identifier(schema), kept=identifier(kept)))
    else:
        session.fetch(compose("CREATE SCHEMA {kept}", kept=identifier(kept)))
        for oid in _oids(session, units):
            for row in session.fetch(BELOW, {"oid": oid}):
                table = identifier(row["schema"], row["name"])
                session.fetch(compose("ALTER TABLE {table} SET SCHEMA {kept}", table=table, kept=identifier(kept)))
    session.fetch(compose("COMMENT ON SCHEMA {kept} IS {note}", kept=identifier(kept), note=note))


def _take_place(session: Session, unit: Unit, found: Found, backup: str, now: datetime) -> None:
    staged = naming.staging(unit.schema)
    if unit.name is None:
        statement = "ALTER SCHEMA {staged} RENAME TO {schema}"
        session.fetch(compose(statement, staged=identifier(staged), schema=identifier(unit.to_schema)))
        note = literal(marks.restored(None, backup, now))
        session.fetch(compose("COMMENT ON SCHEMA {name} IS {note}", name=identifier(unit.to_schema), note=note))
        return
    session.fetch(compose("CREATE SCHEMA IF NOT EXISTS {name}", name=identifier(unit.to_schema)))
    for table in found.tables:
        if table.unit == unit:
            # A partition that was in another schema goes where its table goes only when that goes elsewhere.
            own = table.schema if unit.to_schema == unit.schema else unit.to_schema
            name = identifier(staged, staging.name_of(table))
            session.fetch(compose("ALTER TABLE {name} SET SCHEMA {own}", name=name, own=identifier(own)))
    place = identifier(unit.to_schema, str(unit.to_name))
    said = session.fetch("SELECT obj_description(%s::bigint::oid, 'pg_class') AS comment", _oids(session, [unit]))
    note = literal(marks.restored(said[0]["comment"], backup, now))
    session.fetch(compose("COMMENT ON TABLE {place} IS {note}", place=place, note=note))
