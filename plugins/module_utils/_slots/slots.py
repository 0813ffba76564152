# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The slots of a server, asked over its socket; where none runs, those that its directory shows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._debian import Socket, literal
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._slots.keeping import Keep
from ansible_collections.runbook.postgres.plugins.module_utils._slots.plan import Drop, Make, Slot, Wanted

# A standby that was sent elsewhere lets go of its slot a moment later.
_LEAVES_WITHIN_SECONDS = 15.0
_PAUSE_SECONDS = 0.3

# wal_status is there from 13 on, the oldest version that is served.
_ASKED = """
SELECT json_build_object('in_recovery', pg_is_in_recovery(), 'slots', coalesce((
  SELECT json_agg(json_build_object('name', slot_name, 'physical', slot_type = 'physical', 'active', active,
    'reserved', restart_lsn IS NOT NULL, 'lost', coalesce(wal_status = 'lost', false)) ORDER BY slot_name)
  FROM pg_replication_slots WHERE NOT temporary), '[]'))
"""


@dataclass(frozen=True)
class Found:
    slots: Sequence[Slot]
    in_recovery: bool


def observe(socket: Socket) -> Found:
    said = socket.json(_ASKED)
    return Found([Slot(**slot) for slot in said["slots"]], said["in_recovery"])


def settled(socket: Socket, wanted: Wanted) -> Found:
    """As it is once those that were sent elsewhere have left."""
    deadline = Deadline(_LEAVES_WITHIN_SECONDS)
    while True:
        found = observe(socket)
        if deadline.passed() or found == left(found, wanted):
            return found
        time.sleep(_PAUSE_SECONDS)


def left(found: Found, wanted: Wanted) -> Found:
    """As it is without those that are not to stream from here."""
    unserved = {name for name in wanted.present if wanted.unserved(name, in_recovery=found.in_recovery)}
    gone = unserved | set(wanted.leaving)
    slots = [replace(slot, active=slot.active and slot.name not in gone) for slot in found.slots]
    return Found(slots, found.in_recovery)


def foreseen(socket: Socket, data_directory: Path, wanted: Wanted) -> Found:
    """In a dry run a server may not be there yet, or be started only by the real one; nor has anybody left."""
    try:
        return left(observe(socket), wanted)
    except Problem:
        directory = data_directory / "pg_replslot"
        names = sorted(each.name for each in directory.iterdir()) if directory.is_dir() else []
        return Found([Slot(name) for name in names], in_recovery=(data_directory / "standby.signal").exists())


def apply(socket: Socket, changes: Sequence[object]) -> None:
    """One call; a slot that came into use since it was looked at is not dropped, and the server says so."""
    statements = []
    for change in changes:
        if isinstance(change, Drop):
            statements.append(f"SELECT pg_drop_replication_slot({literal(change.name)});")
        elif isinstance(change, Make):
            statements.append(f"SELECT pg_create_physical_replication_slot({literal(change.name)}, false);")
    if statements:
        socket.psql("\n".join(statements))


def keep(socket: Socket, change: Keep) -> None:
    """From the last restartpoint of this standby on."""
    statements = []
    for name in change.slots:
        if name in change.there:
            statements.append(f"SELECT pg_drop_replication_slot({literal(name)});")
        statements.append(f"SELECT pg_create_physical_replication_slot({literal(name)}, true);")
    socket.psql("\n".join(statements))
