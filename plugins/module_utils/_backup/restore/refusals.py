# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Why a database is not restored: all of it is found out before anything is changed. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ansible_collections.runbook.postgres.plugins.module_utils._backup import manifest as manifests
from ansible_collections.runbook.postgres.plugins.module_utils._backup import room
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import Manifest
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import marks, naming
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.scene import Database, Scene
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.wish import (
    DROP,
    DURING_RESTORE,
    RESTORE,
    Wish,
)

TEMPLATES = ("template0", "template1")


def refusals(wish: Wish, backup: Manifest, scene: Scene) -> tuple[str, ...]:
    told = tuple(_refusals(wish, backup, scene))
    return (*told, *_still_closed(wish, scene)) if told else ()


def _still_closed(wish: Wish, scene: Scene) -> Iterator[str]:
    """Nobody of this collection will open it while the restore is refused."""
    there, beside = scene.database(wish.target), scene.database(naming.beside(wish.target))
    left = None if beside is None else marks.journal(beside.comment)
    if there is None or left is None or not left.keeps_out:
        return
    limit = "" if left.limit is None else f" CONNECTION LIMIT {left.limit}"
    name = there.name.replace('"', '""')
    yield (
        f"Meanwhile {there.name} is closed to clients, as a restore left it that was killed: if they are not to wait "
        f'for this one, open it by ALTER DATABASE "{name}" ALLOW_CONNECTIONS true{limit}.'
    )


def _refusals(wish: Wish, backup: Manifest, scene: Scene) -> Iterator[str]:
    yield from _of_the_server(wish, backup, scene)
    yield from lacks(wish, backup, scene)
    there, beside = scene.database(wish.target), scene.database(naming.beside(wish.target))
    yield from _of_the_room(wish, backup, scene, beside)
    if there is not None:
        yield from _of_the_target(wish, backup, there, None if beside is None else marks.journal(beside.comment))
    if beside is not None and not is_ours(beside):
        yield f"Database {beside.name} is in the way and was not made by a restore: rename it, or drop it."


def is_ours(beside: Database) -> bool:
    """A run that was killed right after it made the database could not write into its comment any more."""
    return marks.journal(beside.comment) is not None or (beside.comment is None and beside.empty)


def _of_the_server(wish: Wish, backup: Manifest, scene: Scene) -> Iterator[str]:
    if scene.standby:
        yield "This server is a standby, which takes no changes: run this on its primary."
    if backup.content != manifests.ALL or backup.tables:
        yield (
            f"Backup {backup.id} holds only {_only(backup)}, which makes no whole database: "
            "name the tables to restore from it, or use a backup of everything."
        )
    if backup.origin.major > scene.major:
        yield (
            f"Backup {backup.id} is from PostgreSQL {backup.origin.major} and this server is {scene.major}: "
            "an older server cannot take what a newer one wrote."
        )
    if not scene.superuser:
        yield "Restoring a database takes a superuser, who may give each object back to its owner: connect as one."
    if wish.target in TEMPLATES:
        yield f"{wish.target} is what new databases are made from: restore under another name."
    if wish.target == scene.here:
        yield f"{wish.target} cannot be replaced from within: give login_db another database, such as postgres."
    if len(wish.target.encode()) > naming.LONGEST or not wish.target:
        yield f"No database can be called '{wish.target}': a name has 1 to {naming.LONGEST} bytes."


def _only(backup: Manifest) -> str:
    if backup.content == manifests.SCHEMA:
        return "definitions and no rows"
    return ", ".join(backup.tables) if backup.tables else "rows and no definitions"


def lacks(wish: Wish, backup: Manifest, scene: Scene) -> Iterator[str]:
    roles = set(backup.origin.roles) - scene.roles
    if wish.roles == RESTORE:
        lost = roles - scene.globals_roles
        if lost:
            yield f"The backup's globals do not have these roles, which it needs: {_listed(lost)}. Create them first."
    elif roles:
        yield (
            f"This server lacks roles that the backup needs: {_listed(roles)}. "
            "Create them, or have them restored from the backup's globals with roles: restore."
        )
    places = set(backup.origin.tablespaces) - scene.tablespaces
    if places and wish.keep_tablespaces:
        yield (
            f"This server lacks tablespaces that the backup needs: {_listed(places)}. "
            "Create them, or have all put into the default one with tablespaces: default."
        )
    unknown = {each.name for each in backup.origin.extensions} - scene.extensions
    if unknown:
        yield f"This host lacks extensions that the backup needs: {_listed(unknown)}. Install their packages."


def _of_the_room(wish: Wish, backup: Manifest, scene: Scene, beside: Database | None) -> Iterator[str]:
    """What a killed run left has its room already: all of it when it is whole, else until it is dropped."""
    free = scene.room
    if beside is not None and is_ours(beside):
        if marks.finished(beside.comment, backup.id) is not None:
            return
        free = None if free is None else replace(free, free=free.free + beside.bytes)
    yield from no_room(wish, room.lack(backup.origin.bytes, backup.content, free), free)


def no_room(wish: Wish, lack: str | None, free: room.Room | None) -> Iterator[str]:
    """Unless somebody knows better than what is estimated."""
    if wish.expected_bytes is not None:
        lack = room.short_of(wish.expected_bytes, free)
    if lack is not None:
        yield f"{lack}: make room, restore elsewhere, or say what it takes (expected_size)."


def _of_the_target(wish: Wish, backup: Manifest, there: Database, journal: marks.Journal | None) -> Iterator[str]:
    if not there.empty and _loses_what_is_written(wish, journal):
        yield (
            f"What is written to {there.name} while this runs would be in no backup and dropped with it: "
            "give keep_out: during_restore, or replaced: drop to a later run."
        )
    if journal is not None and journal.closed:
        # Its run had all the permission that it takes.
        if journal.backup != backup.id and not wish.replace:
            yield (
                f"Database {there.name} is closed since a restore of {journal.backup} was killed: "
                "run that again, which finishes it, or give replace: true."
            )
        return
    if not there.open:
        yield f"Database {there.name} takes no connections: see why, and open it first (ALLOW_CONNECTIONS)."
        return
    if not there.empty and not wish.replace:
        yield (
            f"Database {there.name} is there and not empty ({_mib(there.bytes)}): give replace: true to have it "
            "replaced and kept under another name, or target for another database."
        )
        return
    if there.prepared:
        yield f"Database {there.name} has {there.prepared} prepared transactions: commit or roll them back first."
    if there.subscriptions:
        yield f"Database {there.name} has {there.subscriptions} subscriptions, which would go on: disable them first."
    if not there.empty and wish.safety is None and wish.replace and not wish.safety_declined:
        yield "Give repository or safety_repository for the backup that is made first, or safety_backup: false."


def _loses_what_is_written(wish: Wish, journal: marks.Journal | None) -> bool:
    """Between its safety backup and the change of names; who wants no such backup wants nothing of it."""
    if wish.replaced != DROP or wish.safety_declined:
        return False
    # A run that let clients write until it closed the database, and was killed then.
    let_write = journal is not None and journal.closed and journal.limit is None
    return wish.keep_out != DURING_RESTORE or let_write


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _mib(count: int) -> str:
    return f"{count / (1 << 20):,.0f} MiB"
