# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From a backup and the cluster as it is to the steps between, for a whole database: pure.

The order is what makes it safe: nothing is done to the database that is to be replaced until the restored
one stands beside it and passed its checks; then both change names in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import Manifest
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import marks, naming
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.refusals import is_ours, refusals
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.scene import Database, Scene
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.wish import (
    DROP,
    DURING_RESTORE,
    RESTORE,
    Wish,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.room import UNSEEN
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan


@dataclass(frozen=True)
class Reopen:
    """A run was killed while it kept sessions out."""

    target: str
    limit: int | None

    @property
    def sentence(self) -> str:
        return f"open database {self.target} again, which a run that was killed had closed"


@dataclass(frozen=True)
class Discard:
    """What a killed run left, or a database that nobody wants to keep."""

    database: str
    # It was empty when it was asked, and is kept if it is not any more.
    if_empty: bool = False

    @property
    def sentence(self) -> str:
        return f"drop database {self.database}" + (", if it is empty still" if self.if_empty else "")


@dataclass(frozen=True)
class MakeRoles:
    roles: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"create from the backup's globals: {', '.join(self.roles)}"


@dataclass(frozen=True)
class SafetyBackup:
    database: str
    place: str
    # These alone, as SQL writes their names; all of it when there are none.
    tables: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        what = f"{', '.join(self.tables)} of database" if self.tables else "database"
        return f"back up {what} {self.database} to {self.place}"


@dataclass(frozen=True)
class KeepOut:
    database: str

    @property
    def sentence(self) -> str:
        return f"end the sessions in database {self.database} and keep all but superusers out"


@dataclass(frozen=True)
class Make:
    database: str
    target: str

    @property
    def sentence(self) -> str:
        return f"create database {self.database}, to become {self.target}"


@dataclass(frozen=True)
class Load:
    database: str
    backup: str

    @property
    def sentence(self) -> str:
        return f"restore backup {self.backup} into database {self.database}"


@dataclass(frozen=True)
class Check:
    database: str

    @property
    def sentence(self) -> str:
        return f"check what is in database {self.database}"


@dataclass(frozen=True)
class Swap:
    """The restored database gets its name; the one that had it, if any, another, in the same transaction."""

    database: str
    target: str
    kept: str | None

    @property
    def sentence(self) -> str:
        if self.kept is None:
            return f"name database {self.database} {self.target}"
        return f"name database {self.target} {self.kept} and database {self.database} {self.target}, in one transaction"


def plan_database(wish: Wish, backup: Manifest, scene: Scene, now: datetime) -> Plan:
    """The steps after which the target is what the backup holds, or why there are none."""
    there = scene.database(wish.target)
    done = there is not None and marks.restored_from(there.comment) == backup.id and not wish.again
    old = tuple(each.name for each in scene.databases if _is_kept(each, wish.target))
    before = _lines(there, old)
    if done and there is not None:
        steps = [*_mended(wish, scene), *(Discard(name) for name in old if wish.replaced == DROP)]
        after = before if wish.replaced != DROP else before[:1]
        return Plan(changes=tuple(steps), before=before, after=after)
    said_no = refusals(wish, backup, scene)
    if said_no:
        return Plan(refusals=said_no)
    beside = scene.database(naming.beside(wish.target))
    finished = beside is not None and marks.finished(beside.comment, backup.id) is not None
    occupied = there is not None and not there.empty
    name = None if there is None else _free(naming.kept(wish.target, now), scene)
    steps = list(_steps(wish, backup, scene, finished=finished, occupied=occupied, kept=name))
    drops = [name] if name is not None and (wish.replaced == DROP or not occupied) else []
    drops += list(old) if wish.replaced == DROP else []
    steps += [Discard(each, if_empty=each == name and not occupied) for each in drops]
    after = [f"{wish.target}, restored from {backup.id}"]
    after += [f"{each}, kept" for each in (*old, *([name] if name else [])) if each not in drops]
    return Plan(changes=tuple(steps), warnings=tuple(_warnings(backup, scene, there)), before=before, after=after)


def _is_kept(database: Database, target: str) -> bool:
    """One that somebody went back to has the note still."""
    return marks.was(database.comment) == target and naming.is_kept(database.name, target)


def _steps(
    wish: Wish, backup: Manifest, scene: Scene, *, finished: bool, occupied: bool, kept: str | None
) -> Iterator[object]:
    beside = naming.beside(wish.target)
    if not finished:
        yield from _mended(wish, scene)
        missing = tuple(sorted(set(backup.origin.roles) - scene.roles))
        if missing and wish.roles == RESTORE:
            yield MakeRoles(missing)
        if occupied and wish.safety is not None and wish.keep_out != DURING_RESTORE:
            yield SafetyBackup(wish.target, str(wish.safety))
        yield Make(beside, wish.target)
        if occupied and wish.keep_out == DURING_RESTORE:
            # Not before there is a place to write down what has to be undone; and nothing is written to the
            # target after its backup.
            yield KeepOut(wish.target)
            if wish.safety is not None:
                yield SafetyBackup(wish.target, str(wish.safety))
        yield Load(beside, backup.id)
    elif occupied and _takes_writes(scene.database(wish.target)):
        if wish.keep_out == DURING_RESTORE:
            yield KeepOut(wish.target)
        if wish.safety is not None:
            # Nobody knows how long ago the run ended that backed it up before.
            yield SafetyBackup(wish.target, str(wish.safety))
    yield Check(beside)
    yield Swap(beside, wish.target, kept)


def _takes_writes(database: Database | None) -> bool:
    return database is not None and database.open


def _mended(wish: Wish, scene: Scene) -> Iterator[object]:
    """What a killed run left: a half-made database beside the target, and perhaps a target that is closed."""
    beside, there = scene.database(naming.beside(wish.target)), scene.database(wish.target)
    journal = marks.journal(None if beside is None else beside.comment)
    if there is not None and journal is not None and journal.keeps_out:
        yield Reopen(wish.target, journal.limit)
    if beside is not None and is_ours(beside):
        yield Discard(beside.name)


def _free(name: str, scene: Scene) -> str:
    """Two within a second are possible when the clock is set back."""
    number, free = 1, name
    while scene.database(free) is not None:
        number += 1
        free = naming.ended(name, f"_{number}")
    return free


def _lines(there: Database | None, old: tuple[str, ...]) -> list[str]:
    if there is None:
        return []
    source = marks.restored_from(there.comment)
    what = "empty" if there.empty else "not empty"
    return [there.name + (f", restored from {source}" if source else f", {what}"), *(f"{each}, kept" for each in old)]


def _warnings(backup: Manifest, scene: Scene, there: Database | None) -> Iterator[str]:
    known = scene.system_identifier, backup.origin.system_identifier
    if None not in known and known[0] != known[1]:
        yield f"The backup is from another cluster (system identifier {known[1]}, here it is {known[0]})."
    if backup.rows is None:
        yield "The backup's manifest counts no rows, so that those of the restored tables are compared with nothing."
    if scene.room is None:
        yield UNSEEN
    if there is not None and there.slots:
        yield f"Logical slots stay with the database that is replaced: {', '.join(there.slots)}."
