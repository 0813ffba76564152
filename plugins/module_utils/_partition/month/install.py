# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether the function is there as it should be, what is to be done about that, and doing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._partition.month.function import (
    ARGUMENTS,
    BODY,
    COMMENT,
    MARK,
    SETTINGS,
    TYPES,
)
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier, literal

PLACE = """
SELECT current_database()::text AS database, pg_is_in_recovery() AS standby,
       (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = %(schema)s) AS may_create
"""

# By name and arguments, of which there is one at most.
FUNCTION = """
SELECT p.prosrc AS body, p.proconfig AS settings, p.prosecdef AS definer,
       obj_description(p.oid, 'pg_proc') AS comment, pg_has_role(p.proowner, 'USAGE') AS owned,
       pg_get_userbyid(p.proowner)::text AS owner
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname = %(schema)s AND p.proname = %(name)s
   AND array_to_string(p.proargtypes::oid[]::regtype[], ', ') = %(types)s
"""


@dataclass(frozen=True)
class Wanted:
    schema: str
    name: str
    present: bool

    @property
    def title(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Standing:
    """What is there under that name."""

    body: str
    settings: tuple[str, ...]
    definer: bool
    comment: str | None
    owned: bool
    owner: str

    @property
    def ours(self) -> bool:
        return (self.comment or "").startswith(MARK)

    @property
    def current(self) -> bool:
        wanted = tuple(sorted(f"{name}={value}".replace("'", "") for name, value in SETTINGS.items()))
        told = (self.body, tuple(sorted(self.settings)), self.definer, self.comment)
        return told == (BODY, wanted, False, COMMENT)


@dataclass(frozen=True)
class Place:
    """The database and the schema."""

    database: str
    standby: bool
    # None where there is no such schema.
    may_create: bool | None


@dataclass(frozen=True)
class Put:
    sentence: str


@dataclass(frozen=True)
class Remove:
    sentence: str


def read(session: Session, wanted: Wanted) -> tuple[Place, Standing | None]:
    names = {"schema": wanted.schema, "name": wanted.name, "types": TYPES}
    place = Place(**session.fetch(PLACE, names)[0])
    rows = session.fetch(FUNCTION, names)
    return place, _standing(rows[0]) if rows else None


def _standing(row: Mapping[str, Any]) -> Standing:
    return Standing(**{**row, "settings": tuple(row["settings"] or ())})


def plan_function(wanted: Wanted, place: Place, standing: Standing | None) -> Plan:
    """Pure: from what is there to what should be."""
    refusals = tuple(_refusals(wanted, place, standing))
    there = [] if standing is None else _lines(wanted, standing.body)
    if refusals:
        return Plan(refusals=refusals)
    if not wanted.present:
        gone = () if standing is None else (Remove(f"drop function {wanted.title}"),)
        return Plan(gone, before=there)
    if standing is not None and standing.current:
        return Plan(before=there, after=there)
    verb = "create" if standing is None else "bring up to date"
    return Plan((Put(f"{verb} function {wanted.title}"),), before=there, after=_lines(wanted, BODY))


def _refusals(wanted: Wanted, place: Place, standing: Standing | None) -> Iterator[str]:
    if place.standby:
        yield "This server is a standby, which takes no changes: run this on its primary."
    if standing is not None and not standing.ours:
        yield f"There is a function {wanted.title} with these arguments that is not ours: choose another name."
    elif standing is not None and not standing.owned:
        yield f"Function {wanted.title} belongs to role {standing.owner}: connect as that role or as a member of it."
    if wanted.present and place.may_create is None:
        yield f"There is no schema {wanted.schema} in database {place.database}: create it first, or name another."
    elif wanted.present and not place.may_create:
        yield f"The role may not create functions in schema {wanted.schema}: GRANT CREATE ON SCHEMA to it."


def _lines(wanted: Wanted, body: str) -> list[str]:
    return [f"function {wanted.title}({ARGUMENTS})", *body.strip().splitlines()]


def apply(session: Session, wanted: Wanted, plan: Plan) -> None:
    """In one transaction: it is there with its comment, by which it is known, or not at all."""
    function = compose(f"{{name}}({TYPES})", name=identifier(wanted.schema, wanted.name))
    for change in plan.changes:
        if isinstance(change, Remove):
            session.fetch(compose("DROP FUNCTION {function}", function=function))
            continue
        settings = " ".join(f"SET {name} = {value}" for name, value in SETTINGS.items())
        create = compose(
            f"CREATE OR REPLACE FUNCTION {{name}}({ARGUMENTS}) RETURNS regclass "
            f"LANGUAGE plpgsql {settings} AS {{body}}",
            name=identifier(wanted.schema, wanted.name),
            body=literal(BODY),
        )
        comment = compose("COMMENT ON FUNCTION {function} IS {comment}", function=function, comment=literal(COMMENT))
        session.together([create, comment])
