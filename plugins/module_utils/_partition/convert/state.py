# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a plain table is, with all that has to come along when it becomes a partitioned one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

ATTACH, COPY = "attach", "copy"


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    # Type with its modifiers, collation and default, to notice that it changed.
    definition: str
    not_null: bool
    generated: bool
    # 'a' for always, 'd' for by default, else empty.
    identity: str
    statistics: int
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Index:
    oid: int
    name: str
    # What follows the table's name in its definition.
    tail: str
    unique: bool
    valid: bool
    # 'p', 'u' or 'x' where a constraint owns it, else empty.
    kind: str
    columns: tuple[str, ...]
    included: tuple[str, ...] = ()
    deferrable: bool = False
    deferred: bool = False
    nulls_not_distinct: bool = False
    # With expressions or a condition.
    special: bool = False
    # Columns by default order and nothing else, so that one more can be added.
    simple: bool = True
    identity: bool = False
    exclusion: bool = False
    clustered: bool = False
    options: tuple[str, ...] = ()
    tablespace: str | None = None
    said: str | None = None
    constraint_said: str | None = None
    # What it was before it was widened.
    narrow: tuple[str, ...] | None = None

    @property
    def words(self) -> str:
        return {"p": "primary key", "u": "unique constraint", "x": "exclusion constraint"}.get(
            self.kind, "unique index" if self.unique else "index"
        )


@dataclass(frozen=True)
class Sequence:
    """One that a column owns: of a serial column, or of an identity."""

    schema: str
    name: str
    column: str
    # 'a' or 'd' where it is an identity's.
    identity: str
    # In the words of CREATE SEQUENCE.
    parameters: str
    grants: tuple[tuple[str | None, str, bool], ...] = ()
    said: str | None = None


@dataclass(frozen=True)
class ForeignKey:
    """From this table to another."""

    name: str
    definition: str
    valid: bool
    itself: bool
    target: str
    permitted: bool
    said: str | None = None


@dataclass(frozen=True)
class Reference:
    """From another table to this one."""

    schema: str
    table: str
    name: str
    definition: str
    columns: tuple[str, ...]
    valid: bool
    # That table is partitioned, or a partition.
    partitioned: bool
    owned: bool
    said: str | None = None


@dataclass(frozen=True)
class Trigger:
    name: str
    definition: str
    # As the catalogue says it: O, D, R or A.
    enabled: str
    row: bool
    before: bool
    transition: bool
    said: str | None = None


@dataclass(frozen=True)
class Statistics:
    schema: str
    name: str
    # What stands between the names of itself and of the table in its definition.
    middle: str
    target: int
    # None where that is who we are.
    owner: str | None = None
    said: str | None = None


@dataclass(frozen=True)
class Publication:
    name: str
    # Publishes changes as those of the partitioned table.
    via_root: bool
    # All tables, or all of a schema: this one need not be named.
    wide: bool
    owned: bool
    columns: tuple[str, ...] = ()
    filter: str | None = None


@dataclass(frozen=True)
class Scene:
    oid: int
    schema: str
    name: str
    owner: str
    said: str | None
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...]
    # Of traits.Traits; kept apart from what this file knows.
    traits: Any
    sequences: tuple[Sequence, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    references: tuple[Reference, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    statistics: tuple[Statistics, ...] = ()
    publications: tuple[Publication, ...] = ()
    # Privileges that its owner took from itself.
    withheld: tuple[str, ...] = ()
    # What cannot come along, each in a few words.
    obstacles: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column:
        return next(each for each in self.columns if each.name == name)

    @property
    def shape(self) -> str:
        """A few letters that differ when anything that comes along does."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Extent:
    """Where the rows lie, and how many have no place on the line."""

    lowest: int | None = None
    highest: int | None = None
    nulls: int = 0
    before_all: int = 0
    after_all: int = 0


@dataclass(frozen=True)
class Progress:
    """How far an interrupted run came with a copy."""

    shape: str
    column: str
    interval: str
    # The last key copied, as text; none yet.
    copied: tuple[str, ...] | None
    complete: bool


@dataclass(frozen=True)
class Leftovers:
    """What an interrupted run left on or beside the table."""

    # The end that a check constraint of ours says, and whether that is proved.
    check: bool = False
    until: int | None = None
    proved: bool = False
    # Indexes of keys that were to be widened, and whether each is whole.
    indexes: dict[str, bool] = field(default_factory=dict)
    # The partitioned copy, or something that belongs to one.
    copying: bool = False
    progress: Progress | None = None

    @property
    def attaching(self) -> bool:
        return self.check or bool(self.indexes)


def hidden(oid: int) -> str:
    """What things are called that exist only while a table is converted."""
    return f"runbook_postgres_convert_{oid}"


CHECK = "runbook_postgres_convert"
