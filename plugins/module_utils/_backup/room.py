# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a server's disk takes what a backup holds once more, as far as that can be seen from here."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import SCHEMA
from ansible_collections.runbook.postgres.plugins.module_utils._errors import NotPermitted
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

# A restored database may be larger than it was: pages fill up differently, and indexes are sorted on disk.
SPARE = 1.2
# A schema alone is small, whatever it is of.
SCHEMA_BYTES = 16_000_000

DATA_DIRECTORY = "SELECT current_setting('data_directory') AS place"
LOCAL = ("localhost", "127.0.0.1", "::1")

UNSEEN = "How much room the server's disk has cannot be seen from here: look for yourself."


@dataclass(frozen=True)
class Room:
    """What a file system has left."""

    place: str
    free: int


def seen(session: Session, host: str, place: str | None = None) -> Room | None:
    """Of the tablespace that is there, or the default one, when the server is on this host and shows its disk."""
    if host and not host.startswith("/") and host not in LOCAL:
        return None
    try:
        place = place or str(session.fetch(DATA_DIRECTORY)[0]["place"])
        about = os.statvfs(place)
    except (NotPermitted, OSError):
        return None
    return Room(place, about.f_bavail * about.f_frsize)


def lack(size: int, content: str, room: Room | None, what: str = "the restored database") -> str | None:
    """The beginning of a sentence, when what had this size is not to be restored there."""
    held = min(size, SCHEMA_BYTES) if content == SCHEMA else size
    needed = int(held * SPARE)
    if room is None or room.free >= needed:
        return None
    return f"{room.place} has {_mib(room.free)} left and {what} takes about {_mib(needed)} (it had {_mib(held)})"


def short_of(expected: int, room: Room | None) -> str | None:
    """The same, where somebody knows better what it takes."""
    if room is None or room.free >= expected:
        return None
    return f"{room.place} has {_mib(room.free)} left and {_mib(expected)} are expected (expected_size)"


def _mib(count: int) -> str:
    return f"{count / (1 << 20):,.0f} MiB"
