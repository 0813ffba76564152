# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a repository on this host has room: one that is full takes no WAL any more, which then fills the primary."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.catalogue import Listed
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.plan import Take, Wish
from ansible_collections.runbook.postgres.plugins.module_utils._backup.words import size_words
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.files import stanza_file

_MARGIN = 1.2
# With less than that nothing of a cluster's size gets on.
_NOTHING = 1 << 20
# What a backup is called, and what it has once it is whole.
LABEL = re.compile(r"\d{8}-\d{6}F(?:_\d{8}-\d{6}[DI])?")
MANIFEST = "backup.manifest"


def needed_bytes(wish: Wish, take: Take, found: Listed) -> int | None:
    """As much as the last full one took; what changed since nobody knows beforehand."""
    if wish.expected_bytes is not None:
        return wish.expected_bytes
    if take.kind != "full" or found.full_bytes is None:
        return None
    return int(found.full_bytes * _MARGIN)


def refuse_without_room(wish: Wish, take: Take, found: Listed) -> None:
    needed, place = needed_bytes(wish, take, found), directory(stanza_file(wish.stanza), wish.repository)
    if needed is None or place is None or not place.is_dir():
        return
    there = os.statvfs(place)
    free = there.f_bavail * there.f_frsize + left_bytes(place / "backup" / wish.stanza)
    if needed > free:
        raise Refused(
            f"Repository {wish.repository} in {place} has {size_words(free)} free and the backup of stanza "
            f"{wish.stanza} needs about {size_words(needed)}: make room, or say what it takes (expected_size)."
        )


def filled(wish: Wish) -> str | None:
    """Said where a backup failed for want of room: of a write that ended in the middle pgBackRest tells no reason, or
    that of an earlier error."""
    place = directory(stanza_file(wish.stanza), wish.repository)
    if place is None or not place.is_dir():
        return None
    there = os.statvfs(place)
    free = there.f_bavail * there.f_frsize
    if free >= _NOTHING:
        return None
    return f"Repository {wish.repository} in {place} is full ({size_words(free)} free), make room"


def left_bytes(stanza: Path) -> int:
    """Of a backup that did not end: pgBackRest goes on with it, or removes it before it writes another."""
    with contextlib.suppress(OSError):
        left = [each for each in stanza.iterdir() if LABEL.fullmatch(each.name) and not (each / MANIFEST).exists()]
        return sum(path.lstat().st_blocks * 512 for each in left for path in each.rglob("*"))
    return 0


def directory(file: Path, repository: int) -> Path | None:
    """None where the repository is elsewhere, or is none of role backup's."""
    text = file.read_text() if file.exists() else ""
    said = dict(re.findall(rf"^repo{repository}-(path|type|host)=(.+)$", text, re.MULTILINE))
    if "host" in said or said.get("type", "posix") != "posix" or "path" not in said:
        return None
    return Path(said["path"])
