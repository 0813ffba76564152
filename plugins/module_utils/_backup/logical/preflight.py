# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What must be true before the first file is written: place, room, programs, keys and rights."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Entry
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.observe import Found
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.request import FULL, Wanted
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.tools import Packing
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import SCHEMA
from ansible_collections.runbook.postgres.plugins.module_utils._backup.room import SCHEMA_BYTES
from ansible_collections.runbook.postgres.plugins.module_utils._backup.words import size_words
from ansible_collections.runbook.postgres.plugins.module_utils._command import find
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._stream.compression import PLAIN, UNPACKERS
from ansible_collections.runbook.postgres.plugins.module_utils._stream.keys import try_recipients
from ansible_collections.runbook.postgres.plugins.module_utils._stream.placing import writable

# What grew since the last backup may pack less well than what was there.
_MARGIN = 1.2


def refuse_unfit(wanted: Wanted, packing: Packing) -> None:
    """Whether this host can write such backups at all, though none may be due today."""
    if packing.piped in UNPACKERS:
        find(packing.piped, packing.piped)
    if wanted.offsite is not None:
        find("rclone", "rclone")
    if wanted.recipients:
        try_recipients("recipients", wanted.recipients)
    if wanted.identity is not None and not os.access(wanted.identity, os.R_OK):
        raise Refused(f"identity {wanted.identity} cannot be read on this host: name the file with age's secret key.")
    if (wanted.owner is not None or wanted.group is not None) and os.geteuid() != 0:
        current = pwd.getpwuid(os.geteuid()).pw_name
        if wanted.group is not None or wanted.owner != current:
            raise Refused("Backups can be given to another owner or group by root alone: give the task become: true.")
    writable("destination", wanted.destination)


def refuse_hidden_passwords(wanted: Wanted, found: Found) -> None:
    if wanted.globals == FULL and not found.sees_passwords:
        raise Refused(
            "The passwords of roles are for superusers to read, and this role is none: set globals to "
            "without_passwords or none, or connect as a superuser."
        )


def needed_bytes(wanted: Wanted, found: Found, before: Sequence[Entry]) -> int:
    """As much as the last one took, grown as the database did; else a guess that is rather too large."""
    if wanted.expected_bytes is not None:
        return wanted.expected_bytes
    alike = [each for each in before if each.good and each.encrypted == bool(wanted.recipients)]
    if alike:
        last = max(alike, key=lambda each: each.number)
        growth = max(1.0, found.origin.bytes / max(1, last.bytes))
        return int(last.stored_bytes * growth * _MARGIN)
    if wanted.content == SCHEMA:
        return min(SCHEMA_BYTES, found.origin.bytes)
    return found.table_bytes if wanted.method == PLAIN else found.table_bytes // 2


def refuse_too_full(wanted: Wanted, needed: int) -> None:
    place = writable("destination", wanted.destination)
    there = os.statvfs(place)
    free = there.f_bavail * there.f_frsize
    if needed > free:
        raise Refused(
            f"destination {wanted.destination} has {size_words(free)} free and a backup of {wanted.title} needs about "
            f"{size_words(needed)}: make room, choose another destination, or say what it takes (expected_size)."
        )


def make_destination(destination: Path, owner: tuple[int, int]) -> None:
    """With those above it that are missing; for the owner of the backups alone."""
    for place in [*reversed(destination.parents), destination]:
        if not place.exists():
            place.mkdir(mode=0o700)
            os.chown(place, *owner, follow_symlinks=False)
