# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which physical slots are made, made anew or dropped: pure.

A slot without a position keeps no WAL and costs nothing, so every node can have
one for every other member, and serves them at once when it is promoted. A slot
with a position keeps WAL from there on, for ever if nobody comes for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan


@dataclass(frozen=True)
class Slot:
    """A slot as the server has it."""

    name: str
    physical: bool = True
    active: bool = False
    # Keeps WAL from a position on.
    reserved: bool = False
    # What it needs was removed; it can serve nobody any more.
    lost: bool = False


@dataclass(frozen=True)
class Wanted:
    """Of one server: slots that are there for members, those that are gone, and who gets its WAL from here."""

    present: Sequence[str]
    absent: Sequence[str] = ()
    # Members that this server is the upstream of while it is a standby itself.
    downstream: Sequence[str] = ()
    # Members that get theirs from another standby, whoever is the primary.
    elsewhere: Sequence[str] = ()
    # Members whose server is stopped right before, so that they leave in a moment.
    leaving: Sequence[str] = ()

    def unserved(self, name: str, *, in_recovery: bool) -> bool:
        """Nobody of that name streams from this server, nor will while things are as they are."""
        return name in self.elsewhere or (in_recovery and name not in self.downstream)


@dataclass(frozen=True)
class Make:
    name: str

    @property
    def sentence(self) -> str:
        return f"make slot {self.name}"


@dataclass(frozen=True)
class Drop:
    name: str
    why: str

    @property
    def sentence(self) -> str:
        return f"drop slot {self.name}, {self.why}"


def plan_slots(wanted: Wanted, found: Sequence[Slot], *, in_recovery: bool) -> Plan:
    known = {slot.name: slot for slot in found}
    refusals = [
        *(
            f"Slot {name} is wanted both present and absent: decide."
            for name in wanted.present
            if name in wanted.absent
        ),
        *_taken(wanted, known),
    ]
    if refusals:
        return Plan(refusals=tuple(refusals))
    changes = (*_gone(wanted, known), *_there(wanted, known, in_recovery=in_recovery))
    return Plan(changes, before=_told(known.values()), after=_told(_after(known, changes)))


def _taken(wanted: Wanted, known: dict[str, Slot]) -> Iterator[str]:
    for name in (*wanted.present, *wanted.absent):
        slot = known.get(name)
        if slot is not None and not slot.physical:
            yield f"Slot {name} is there and is a logical one, which is not ours: rename that or the member."
        elif slot is not None and slot.active and name in wanted.absent:
            yield f"Slot {name} is in use, so its member still streams from here: stop that first."


def _gone(wanted: Wanted, known: dict[str, Slot]) -> Iterator[Drop]:
    for name in wanted.absent:
        if name in known:
            yield Drop(name, "its member was removed")


def _there(wanted: Wanted, known: dict[str, Slot], *, in_recovery: bool) -> Iterator[object]:
    for name in wanted.present:
        slot = known.get(name)
        if slot is None:
            yield Make(name)
            continue
        why = _stale(slot, unserved=wanted.unserved(name, in_recovery=in_recovery))
        if why is not None:
            yield Drop(name, why)
            yield Make(name)


def _stale(slot: Slot, *, unserved: bool) -> str | None:
    """Why a slot does no good as it is; a slot in use is never touched, and the server would not let us either.

    On a primary an unused slot with a position belongs to a standby that is down
    for a while: it keeps what that needs to come back. On a standby nobody comes
    for it, unless the member has this server for its upstream; nor on a primary,
    when the member has a standby for that.
    """
    if slot.active:
        return None
    if slot.lost:
        return "what it kept is lost, and nobody can go on from there"
    if slot.reserved and unserved:
        return "it is left from a time when its member streamed from here, and keeps WAL for nobody"
    return None


def _after(known: dict[str, Slot], changes: Sequence[object]) -> list[Slot]:
    after = dict(known)
    for change in changes:
        if isinstance(change, Drop):
            after.pop(change.name)
        elif isinstance(change, Make):
            after[change.name] = Slot(change.name)
    return list(after.values())


def _told(slots: Iterable[Slot]) -> list[str]:
    kept = sorted((slot for slot in slots if slot.physical), key=lambda slot: slot.name)
    return [f"{slot.name}{', keeps WAL' if slot.reserved else ''}" for slot in kept]
