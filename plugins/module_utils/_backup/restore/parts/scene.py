# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What of a database is restored, where it goes, and what is there now. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import Manifest
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.wish import Part


@dataclass(frozen=True)
class Unit:
    """A table or a whole schema (name None) in the backup, where it will be, and what is there now."""

    schema: str
    name: str | None
    to_schema: str
    to_name: str | None
    in_backup: bool = True
    standing: bool = False
    comment: str | None = None

    @property
    def title(self) -> str:
        return self.schema if self.name is None else f"{self.schema}.{self.name}"

    @property
    def place(self) -> str:
        return self.to_schema if self.to_name is None else f"{self.to_schema}.{self.to_name}"

    @property
    def place_in_sql(self) -> str:
        return ".".join('"' + each.replace('"', '""') + '"' for each in (self.to_schema, self.to_name) if each)


@dataclass(frozen=True)
class PartScene:
    units: tuple[Unit, ...]
    there: bool = True
    # Staging schemas in the target, with their comments.
    staged: tuple[tuple[str, str | None], ...] = ()
    # What refers to what is replaced and cannot be made to refer to what comes, in words.
    obstacles: tuple[str, ...] = ()
    # Schemas that hold what earlier restores replaced.
    kept: tuple[str, ...] = ()
    # Of those, the ones that hold what somebody outside of them uses, and who, in words.
    relied_on: tuple[tuple[str, str], ...] = ()


def units_of(part: Part, tables: tuple[tuple[str, str], ...]) -> Iterator[Unit]:
    """`tables` are the part's with their schemas."""
    for schema, name in tables:
        yield Unit(schema, name, part.into_schema or schema, part.rename_to or name)
    for schema in part.schemas:
        yield Unit(schema, None, part.into_schema or schema, None)


def estimated(units: tuple[Unit, ...], backup: Manifest) -> int | None:
    """Bytes by their share of all rows; None where the backup did not count them."""
    counted = backup.rows or ()
    total = sum(each.rows for each in counted)
    share = 0
    for unit in units:
        of_it = [each.rows for each in counted if each.schema == unit.schema and unit.name in (None, each.table)]
        if not of_it:
            return None
        share += sum(of_it)
    return backup.origin.bytes * share // total if total else None
