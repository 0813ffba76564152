# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is asked of the target, and of the dump's table of contents, before a part is restored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import marks, naming
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.observe import Connect
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts import contents
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.dependents import obstacles
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.reliant import relied_on
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.scene import (
    PartScene,
    Unit,
    units_of,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.scene import Scene
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.wish import DROP, Part, Wish
from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

SPLIT = "SELECT parse_ident(%(name)s) AS parts"
TABLE = """
SELECT c.oid::bigint AS oid, obj_description(c.oid, 'pg_class') AS comment
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %(schema)s AND c.relname = %(name)s
"""
SCHEMA = """
SELECT oid::bigint AS oid, obj_description(oid, 'pg_namespace') AS comment FROM pg_namespace WHERE nspname = %(schema)s
"""
SCHEMAS = "SELECT nspname::text AS name, obj_description(oid, 'pg_namespace') AS comment FROM pg_namespace ORDER BY 1"
# What is in a schema by itself, not as a part of another table.
HELD = """
SELECT c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
"""


def split(session: Session, names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Schema and name, as the server reads what SQL writes; without a schema it is public."""
    for name in names:
        try:
            parts = session.fetch(SPLIT, {"name": name})[0]["parts"]
        except QueryFailed as error:
            raise Refused(
                f"tables: '{name}' is no name of a table ({error.sentence}): write it as SQL does."
            ) from error
        if len(parts) > 2:
            raise Refused(f"tables: '{name}' has more than a schema and a name: write it as SQL does.")
        yield ("public", parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def observe_part(session: Session, connect: Connect, wish: Wish, cluster: Scene, lines: Sequence[str]) -> PartScene:
    part = wish.part or Part()
    units = tuple(units_of(part, tuple(split(session, part.tables))))
    if lines:
        units = tuple(_in_backup(each, lines) for each in units)
    there = cluster.database(wish.target)
    if there is None or wish.target == cluster.here:
        return PartScene(units, there is not None)
    with connect(wish.target) as target:
        session_schemas = {row["name"]: row["comment"] for row in target.fetch(SCHEMAS)}
        rows = [_standing(target, each) for each in units]
        found = tuple(_stood(each, row) for each, row in zip(units, rows))
        oids = [int(row["oid"]) for each, row in zip(units, rows) if row is not None and each.name is not None]
        schemas = [_quoted(each.to_schema) for each, row in zip(units, rows) if row is not None and each.name is None]
        staging = {naming.staging(each.schema) for each in units}
        kept = tuple(_kept(target, session_schemas, units))
        return PartScene(
            found,
            True,
            tuple((name, said) for name, said in session_schemas.items() if name in staging),
            tuple(obstacles(target, oids, schemas)),
            kept,
            tuple(relied_on(target, kept if wish.replaced == DROP else ())),
        )


def _kept(target: Session, schemas: Mapping[str, str | None], units: Sequence[Unit]) -> Iterator[str]:
    """One that somebody went back to has the note still."""
    found = ((name, marks.was(said)) for name, said in schemas.items())
    for name, was in found:
        if was is not None and naming.is_kept(name, was):
            held = {row["name"] for row in target.fetch(HELD, {"schema": name})}
            if gave_way_to(units, was, held):
                yield name


def gave_way_to(units: Sequence[Unit], was: str, held: Set[str]) -> bool:
    """Whether what a kept schema holds was replaced by these, and not by a restore of something else beside them."""
    mine = [each for each in units if each.to_schema == was]
    return bool(mine) and (any(each.to_name is None for each in mine) or held <= {each.to_name for each in mine})


def _in_backup(unit: Unit, lines: Sequence[str]) -> Unit:
    if unit.name is None:
        held = contents.holds(lines, "SCHEMA", "-", unit.schema) or unit.schema == "public"
    else:
        kinds = ("TABLE", "TABLE DATA")
        held = any(contents.holds(lines, kind, unit.schema, unit.name) for kind in kinds)
    return Unit(**{**vars(unit), "in_backup": held})


def _standing(target: Session, unit: Unit) -> dict[str, Any] | None:
    values = {"schema": unit.to_schema, "name": unit.to_name}
    rows = target.fetch(SCHEMA if unit.name is None else TABLE, values)
    return rows[0] if rows else None


def _stood(unit: Unit, row: dict[str, Any] | None) -> Unit:
    if row is None:
        return unit
    return Unit(**{**vars(unit), "standing": True, "comment": row["comment"]})


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
