# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is to be done so that a backup as wanted is there: a function of what pgBackRest lists and the time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Union

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Entry
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.catalogue import Listed
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

# A kind serves whoever asked for one after it.
KINDS = ("full", "diff", "incr")
_WORDS = {"full": "full", "diff": "differential", "incr": "incremental"}


@dataclass(frozen=True)
class Wish:
    stanza: str
    repository: int
    kind: str
    max_age: timedelta
    verify: str
    timeout: float
    # How much it will take, by who knows that better than the last one.
    expected_bytes: int | None = None

    @property
    def title(self) -> str:
        return f"stanza {self.stanza} in repository {self.repository}"


@dataclass(frozen=True)
class Take:
    kind: str
    asked: str

    @property
    def sentence(self) -> str:
        if self.kind == self.asked:
            return f"take {'an' if self.kind == 'incr' else 'a'} {_WORDS[self.kind]} backup"
        return f"take a full backup, since there is no good one for a new {_WORDS[self.asked]} one to stand on"


@dataclass(frozen=True)
class Verify:
    level: str
    # None is the one that is taken before.
    id: str | None

    @property
    def sentence(self) -> str:
        which = "the new backup" if self.id is None else f"backup {self.id}"
        return f"verify {which} ({self.level})"


@dataclass(frozen=True)
class Expire:
    ids: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"remove what is past its retention: {', '.join(self.ids)}"


Step = Union[Take, Verify, Expire]


def due(wish: Wish, found: Listed, now: datetime) -> tuple[Take | None, Entry | None]:
    """Whether one is to be taken, else the one that serves."""
    if found.problems:
        raise Refused(f"No backup was taken: {found.problems[0]}")
    fitting = [each for each in found.current if each.good and _serves(each, wish)]
    newest = max(fitting, key=lambda each: each.number, default=None)
    # One from the future, by a clock that was wrong then, does not count.
    if newest is not None and newest.stopped <= now and now - newest.stopped <= wish.max_age and wish.max_age:
        return None, newest
    base = _base(found, wish.kind)
    return Take(wish.kind if base is not None and base.good else "full", wish.kind), None


def _base(found: Listed, kind: str) -> Entry | None:
    """What pgBackRest stands a new one on, whatever is known to be wrong with it; it lists them in that order."""
    kinds = {"full": (), "diff": ("full",), "incr": KINDS}[kind]
    return next((each for each in reversed(found.current) if each.series.kind in kinds), None)


def _serves(entry: Entry, wish: Wish) -> bool:
    return KINDS.index(entry.series.kind) <= KINDS.index(wish.kind)


def steps(wish: Wish, take: Take | None, chosen: Entry | None, expiring: Sequence[str], found: Listed) -> Plan:
    """In order: what is taken is verified before anything goes for it."""
    changes: list[Step] = [] if take is None else [take]
    if wish.verify != "none" and (chosen is None or not chosen.at_least(wish.verify)):
        changes.append(Verify(wish.verify, None if chosen is None else chosen.id))
    # What goes after a new one was proven is no last good one any more, unless that stands on it.
    renewed = take is not None and wish.verify != "none"
    base = _base(found, take.kind) if take is not None else None
    leaving, kept = _without(expiring, _needed(base)) if renewed else spared(found.entries, expiring)
    if leaving:
        changes.append(Expire(leaving))
    before = [_line(each) for each in found.entries]
    return so_far(Plan(warnings=tuple(map(stays, kept)), before=before), changes, found)


def so_far(plan: Plan, done: Sequence[Step], found: Listed) -> Plan:
    """With these steps and no others, as where a run failed on its way."""
    leaving = {name for step in done if isinstance(step, Expire) for name in step.ids}
    after = [_line(each) for each in found.entries if each.id not in leaving]
    after += [f"{_WORDS[step.kind]} backup, new" for step in done if isinstance(step, Take)]
    return replace(plan, changes=tuple(done), after=after)


def stays(name: str) -> str:
    return f"Backup {name} is past its retention and stays, since no newer one is proven good."


def spared(entries: Sequence[Entry], expiring: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What goes of that which pgBackRest would remove, and what stays: it knows nothing of broken pages or proofs."""
    good = [each for each in entries if each.good]
    verified = [each for each in good if each.verified is not None]
    return _without(expiring, set().union(*map(_needed, (*good[-1:], *verified[-1:]))))


def _needed(entry: Entry | None) -> set[str]:
    return set() if entry is None else {entry.id, *entry.depends_on}


def _without(expiring: Sequence[str], untouchable: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What goes then, and what stays."""
    return (
        tuple(each for each in expiring if each not in untouchable),
        tuple(each for each in expiring if each in untouchable),
    )


def standing_on(entries: Sequence[Entry], kind: str) -> set[str]:
    """All of that kind, and what stands on them."""
    of_kind = {each.id for each in entries if each.series.kind == kind}
    return of_kind | {each.id for each in entries if of_kind & set(each.depends_on)}


def roots(entries: Sequence[Entry], going: Sequence[str]) -> list[str]:
    """Of those that go the ones that stand on none of them: with each goes what stands on it."""
    bases = {each.id: set(each.depends_on) for each in entries}
    return [each for each in going if not bases.get(each, set()) & set(going)]


def _line(entry: Entry) -> str:
    return f"{_WORDS[entry.series.kind]} backup {entry.id}"
