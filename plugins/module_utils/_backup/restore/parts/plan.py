# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From a backup and a database as it is to the steps after which chosen tables or schemas are in it: pure.

They are made in a schema of their own, filled, indexed and checked there, and only then change places with what
bears their names, in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.runbook.postgres.plugins.module_utils._backup import manifest as manifests
from ansible_collections.runbook.postgres.plugins.module_utils._backup import room
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import Manifest
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import marks, naming
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.scene import (
    PartScene,
    Unit,
    estimated,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.plan import (
    Discard,
    MakeRoles,
    SafetyBackup,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.refusals import lacks, no_room
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.scene import Scene
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.wish import DROP, RESTORE, Wish
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan


@dataclass(frozen=True)
class DropStaged:
    schema: str

    @property
    def sentence(self) -> str:
        return f"drop schema {self.schema}"


@dataclass(frozen=True)
class Define:
    """Definitions alone, in a database where nobody minds what becomes of them."""

    database: str
    backup: str

    @property
    def sentence(self) -> str:
        return f"make the definitions of backup {self.backup} in database {self.database}"


@dataclass(frozen=True)
class Fill:
    units: tuple[Unit, ...]
    target: str

    @property
    def sentence(self) -> str:
        return f"restore {', '.join(each.title for each in self.units)} beside their places in {self.target}"


@dataclass(frozen=True)
class CheckPart:
    units: tuple[Unit, ...]

    @property
    def sentence(self) -> str:
        return f"check {', '.join(each.title for each in self.units)}"


@dataclass(frozen=True)
class PutInPlace:
    units: tuple[Unit, ...]
    # By the schema that is in the way or holds what is: the name it, or what it holds, is kept under.
    kept: tuple[tuple[str, str], ...]

    @property
    def sentence(self) -> str:
        places = ", ".join(each.place for each in self.units)
        aside = ", ".join(f"what was in {schema} goes to schema {kept}" for schema, kept in self.kept)
        return f"put {places} in place, in one transaction" + (f"; {aside}" if aside else "")


def plan_part(wish: Wish, backup: Manifest, cluster: Scene, scene: PartScene, now: datetime) -> Plan:
    done = bool(scene.units) and all(
        each.standing and marks.restored_from(each.comment) == backup.id for each in scene.units
    )
    before = [_line(each) for each in scene.units if each.standing] + [f"schema {each}, kept" for each in scene.kept]
    mended = tuple(_mended(wish, cluster, scene))
    dropped = tuple(DropStaged(each) for each in scene.kept) if wish.replaced == DROP else ()
    used = tuple(_used(scene)) if dropped else ()
    if done and not wish.again:
        if used:
            return Plan(refusals=used)
        after = before[: len(scene.units)] if dropped else before
        return Plan(changes=(*mended, *dropped), before=before, after=after)
    said_no = (*_refusals(wish, backup, cluster, scene), *used)
    if said_no:
        return Plan(refusals=said_no)
    kept = _kept(scene.units, now)
    steps = [*mended, *_steps(wish, backup, cluster, scene, kept)]
    if wish.replaced == DROP:
        steps += [*dropped, *(DropStaged(pair[1]) for pair in kept)]
    warnings = tuple(_warnings(wish, backup, cluster, scene))
    after = [f"{each.place}, restored from {backup.id}" for each in scene.units]
    if wish.replaced != DROP:
        after += [f"schema {each}, kept" for each in (*scene.kept, *(pair[1] for pair in kept))]
    return Plan(changes=tuple(steps), before=before, after=after, warnings=warnings)


def _line(unit: Unit) -> str:
    source = marks.restored_from(unit.comment)
    return unit.place + (f", restored from {source}" if source else "")


def _kept(units: tuple[Unit, ...], now: datetime) -> tuple[tuple[str, str], ...]:
    schemas = sorted({each.to_schema for each in units if each.standing})
    return tuple((schema, naming.kept(schema, now)) for schema in schemas)


def _mended(wish: Wish, cluster: Scene, scene: PartScene) -> Iterator[object]:
    for schema, comment in scene.staged:
        if marks.journal(comment) is not None:
            yield DropStaged(schema)
    scratch = cluster.database(naming.scratch(wish.target))
    if scratch is not None:
        yield Discard(scratch.name)


def _steps(
    wish: Wish, backup: Manifest, cluster: Scene, scene: PartScene, kept: tuple[tuple[str, str], ...]
) -> Iterator[object]:
    missing = tuple(sorted(set(backup.origin.roles) - cluster.roles))
    if missing and wish.roles == RESTORE:
        yield MakeRoles(missing)
    if kept and wish.safety is not None:
        standing = tuple(each.place_in_sql for each in scene.units if each.standing and each.to_name is not None)
        yield SafetyBackup(wish.target, str(wish.safety), standing)
    scratch = naming.scratch(wish.target)
    yield Define(scratch, backup.id)
    yield Fill(scene.units, wish.target)
    yield CheckPart(scene.units)
    yield PutInPlace(scene.units, kept)
    yield Discard(scratch)


def _refusals(wish: Wish, backup: Manifest, cluster: Scene, scene: PartScene) -> Iterator[str]:
    yield from _of_the_backup(wish, backup, cluster, scene)
    yield from lacks(wish, backup, cluster)
    size = estimated(scene.units, backup)
    lack = None if size is None else room.lack(size, backup.content, cluster.room, "what is restored")
    yield from no_room(wish, lack, cluster.room)
    if not scene.there:
        yield f"There is no database {wish.target} to restore into: create it, or restore the whole database."
    for schema, comment in scene.staged:
        if marks.journal(comment) is None:
            yield f"Schema {schema} is in the way and was not made by a restore: rename it, or drop it."
    standing = [each.place for each in scene.units if each.standing]
    if standing and not wish.replace:
        yield (
            f"{', '.join(standing)} is there already: give replace: true to have it replaced and kept in another "
            "schema, or into_schema or rename_to to restore beside it."
        )
    elif standing and wish.safety is None and not wish.safety_declined:
        yield "Give repository or safety_repository for the backup that is made first, or safety_backup: false."
    elif standing and wish.replaced == DROP and not wish.safety_declined:
        yield (
            f"What is written to {', '.join(standing)} while this runs would be in no backup and dropped with it: "
            "give replaced: drop to a later run."
        )
    if wish.replace and scene.obstacles:
        yield (
            f"{'; '.join(scene.obstacles)} would go on using what is replaced: drop that first, "
            "or restore beside it and copy the rows."
        )


def _used(scene: PartScene) -> Iterator[str]:
    for schema, who in scene.relied_on:
        yield f"Schema {schema} would take along what came to use it, {who}: drop or change that first."


def _of_the_backup(wish: Wish, backup: Manifest, cluster: Scene, scene: PartScene) -> Iterator[str]:
    if cluster.standby:
        yield "This server is a standby, which takes no changes: run this on its primary."
    if not cluster.superuser:
        yield "Restoring takes a superuser, who may give each object back to its owner: connect as one."
    if backup.format == manifests.PLAIN:
        yield f"Backup {backup.id} has format plain, from which nothing can be picked: restore it whole, beside."
    if backup.content == manifests.SCHEMA:
        yield f"Backup {backup.id} holds definitions and no rows: use a backup of everything, or of these tables."
    if backup.origin.major > cluster.major:
        yield (
            f"Backup {backup.id} is from PostgreSQL {backup.origin.major} and this server is {cluster.major}: "
            "an older server cannot take what a newer one wrote."
        )
    lost = [each.title for each in scene.units if not each.in_backup]
    if lost:
        yield f"Backup {backup.id} does not hold {', '.join(lost)}: look what it holds with pg_restore --list."
    held = {each.schema for each in backup.origin.extensions if each.name != "plpgsql"}
    whole = [each.schema for each in scene.units if each.name is None]
    full = sorted(held & set(whole))
    if full:
        yield f"Schema {', '.join(full)} holds extensions, which belong to the database: name its tables instead."
    if whole and (backup.tables or backup.content == manifests.DATA):
        yield f"Backup {backup.id} holds no whole schema: name its tables."
    if wish.target == cluster.here:
        yield f"{wish.target} is looked at from within: give login_db another database, such as postgres."


def _warnings(wish: Wish, backup: Manifest, cluster: Scene, scene: PartScene) -> Iterator[str]:
    if wish.expected_bytes is None and estimated(scene.units, backup) is None:
        whole = room.lack(backup.origin.bytes, backup.content, cluster.room, "the whole database")
        if whole is not None:
            yield f"{whole}; how much of that is restored is not known: look for yourself, or give expected_size."
    if backup.rows is None:
        yield "The backup's manifest counts no rows, so that those of the restored tables are compared with nothing."
