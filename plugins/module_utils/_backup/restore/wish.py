# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is asked for, as values: read and checked without a server or a backup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.options import read_retention
from ansible_collections.runbook.postgres.plugins.module_utils._backup.retention import Retention
from ansible_collections.runbook.postgres.plugins.module_utils._backup.words import parse_size
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

REFUSE, RESTORE = "refuse", "restore"
KEEP, DROP = "keep", "drop"
DURING_SWAP, DURING_RESTORE = "during_swap", "during_restore"


@dataclass(frozen=True)
class Query:
    """A question of the user's and what its answer has to be: all rows, as text."""

    query: str
    expect: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True)
class Checks:
    rows: bool = True
    amcheck: bool = False
    queries: tuple[Query, ...] = ()


@dataclass(frozen=True)
class Part:
    """Not the whole database: these tables or schemas, in their place or beside it."""

    tables: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    into_schema: str | None = None
    rename_to: str | None = None


@dataclass(frozen=True)
class Wish:
    target: str
    replace: bool = False
    # Replace also what was restored from this very backup.
    again: bool = False
    replaced: str = KEEP
    keep_out: str = DURING_SWAP
    roles: str = REFUSE
    keep_tablespaces: bool = True
    # Where the backup of what is replaced goes; None for none.
    safety: Path | None = None
    safety_declined: bool = False
    # Which of those that are there stay.
    safety_retention: Retention = field(default_factory=Retention)
    jobs: int = 1
    checks: Checks = Checks()
    part: Part | None = None
    # What it takes, where that is known better than from the backup.
    expected_bytes: int | None = None


def read_wish(options: Mapping[str, Any], database: str) -> Wish:
    """`database` is what was backed up: it is restored under its own name unless another is given."""
    checks, expected = options["checks"] or {}, options["expected_size"]
    queries = tuple(_query(each) for each in checks.get("queries") or ())
    if options["jobs"] < 1:
        raise Refused("jobs takes one or more.")
    return Wish(
        target=options["target"] or database,
        replace=options["replace"],
        again=options["again"],
        replaced=options["replaced"],
        keep_out=options["keep_out"],
        roles=options["roles"],
        keep_tablespaces=options["tablespaces"] == KEEP,
        safety=_safety(options),
        safety_declined=not options["safety_backup"],
        safety_retention=_safety_retention(options["safety_retention"]),
        jobs=options["jobs"],
        checks=Checks(checks.get("rows", True), checks.get("amcheck", False), queries),
        part=_part(options),
        expected_bytes=None if expected is None else parse_size("expected_size", expected),
    )


def _safety(options: Mapping[str, Any]) -> Path | None:
    if not options["safety_backup"]:
        return None
    place = options["safety_repository"] or options["repository"]
    return None if place is None else Path(place)


def _safety_retention(given: Mapping[str, Any] | None) -> Retention:
    """What names neither age nor count keeps all."""
    named = given is not None and any(each is not None for each in given.values())
    return read_retention("safety_retention", given if named else None)


def _part(options: Mapping[str, Any]) -> Part | None:
    tables, schemas = tuple(options["tables"]), tuple(options["schemas"])
    into, renamed = options["into_schema"], options["rename_to"]
    if tables and schemas:
        raise Refused("Give tables or schemas, not both: a schema comes with its tables.")
    if not (tables or schemas):
        if into or renamed:
            raise Refused("into_schema and rename_to are for tables and schemas: name those, or leave them out.")
        return None
    if renamed and len(tables) != 1:
        raise Refused("rename_to gives one table another name: name one table.")
    if schemas and into and len(schemas) != 1:
        raise Refused("into_schema takes one schema's place: name one schema, or leave it out.")
    return Part(tables, schemas, into, renamed)


def _query(given: Mapping[str, Any]) -> Query:
    """One value stands for one row of one column, a list for rows of one column, lists in it for rows."""
    expect = given["expect"]
    rows = expect if isinstance(expect, list) else [expect]
    return Query(
        given["query"],
        tuple(tuple(map(as_text, row)) if isinstance(row, list) else (as_text(row),) for row in rows),
    )


def as_text(value: Any) -> str | None:
    """As PostgreSQL writes it, so that 1 and "1" are the same answer."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
