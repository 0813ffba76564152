# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which members of a cluster are restarted, in which order, and which are not and why.

A standby has to have at least its primary's value of some settings, or it stops
replaying. When such a value rises the standbys go first, when it falls the primary.
A standby without which commits would wait pauses writes as a primary does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# No standby may have less of these than its primary.
KIN = (
    "max_connections",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "max_wal_senders",
    "max_worker_processes",
)


def at_least(wanted: Mapping[str, Any], running: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with what runs in place of what is less and would keep a standby from starting."""
    return {name: _larger(value, running.get(name)) if name in KIN else value for name, value in wanted.items()}


def _larger(value: Any, other: Any) -> Any:
    """Numbers alone can be compared; what is none is told by who reads the settings."""
    if not str(value).isdigit() or not str(other).isdigit():
        return value
    return value if int(value) >= int(other) else other


@dataclass(frozen=True)
class Waiting:
    """A setting with the value that runs and the one that a restart would bring."""

    running: str
    wanted: str | None


@dataclass(frozen=True)
class Member:
    name: str
    primary: bool
    # What waits for a restart; None where nobody has looked.
    waiting: Mapping[str, Waiting] | None
    # Values that run, where they are known.
    settings: Mapping[str, int] = field(default_factory=dict)
    # Where the base backups go that run from it.
    backups: Sequence[str] = ()
    # Under which name a standby streams.
    called: str | None = None
    # Of a primary: how many standbys confirm a commit, and the names of those that could now.
    required: int = 0
    confirming: Sequence[str] = ()

    def moves(self, name: str) -> int:
        """Whether a restart raises (1) or lowers (-1) it."""
        each = (self.waiting or {}).get(name)
        if each is None or not each.running.isdigit() or not (each.wanted or "").isdigit():
            return 0
        now, then = int(each.running), int(each.wanted or 0)
        return (then > now) - (then < now)

    def after(self, name: str) -> int | None:
        """Its value after a restart."""
        each = (self.waiting or {}).get(name)
        if each is not None and (each.wanted or "").isdigit():
            return int(each.wanted or 0)
        return self.settings.get(name)


@dataclass(frozen=True)
class RestartPlan:
    order: tuple[str, ...] = ()
    # Who waits on, with the reason.
    held: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


def plan(members: Sequence[Member], *, allow_primary: bool) -> RestartPlan:
    """For the members of one cluster."""
    made = _plan(members, allow_primary=allow_primary)
    broken = [each for each in members if each.name in made.order and each.backups]
    if broken:
        sentences = (f"{backup_runs(each.name, each.backups)}: let it end, and run this again." for each in broken)
        return RestartPlan(refusals=tuple(sentences))
    return made


def backup_runs(source: str, to: Sequence[str]) -> str:
    """Which a restart would break, however far it got."""
    return f"A base backup runs from {source} to {', '.join(to)} and would be lost with a restart"


def _plan(members: Sequence[Member], *, allow_primary: bool) -> RestartPlan:
    primaries = [each for each in members if each.primary]
    if len(primaries) > 1:
        names = " and ".join(each.name for each in primaries)
        return RestartPlan(refusals=(f"{names} both accept writes: find out which is right before anything restarts.",))
    primary = primaries[0] if primaries else None
    standbys = sorted((each for each in members if each.waiting and not each.primary), key=lambda each: each.name)
    falls = {name for name in KIN for each in members if each.moves(name) < 0}
    rises = {name for name in KIN for each in members if each.moves(name) > 0}
    if falls and rises:
        sentence = (
            f"A restart would lower {_words(falls)} and raise {_words(rises)}: the primary goes first for one, the "
            "standbys for the other. Change one of them back, restart, and then the other."
        )
        return RestartPlan(refusals=(sentence,))
    if primary is None or not primary.waiting:
        alone = _standbys_alone(standbys, primary)
        return alone if allow_primary or primary is None else _sparing(alone, members, primary)
    if not allow_primary:
        alone = _sparing(_standbys_alone(standbys, primary), members, primary)
        sentence = (
            f"{primary.name} is the primary and waits for a restart ({_words(primary.waiting)}): give "
            "restart_primary=true when writes may pause for some seconds."
        )
        return RestartPlan(alone.order, (*alone.held, sentence))
    behind = _left_behind(primary, members)
    if behind:
        return RestartPlan(tuple(each.name for each in standbys), behind)
    before = [each.name for each in standbys]
    return RestartPlan((primary.name, *before) if falls else (*before, primary.name))


def _standbys_alone(standbys: Sequence[Member], primary: Member | None) -> RestartPlan:
    """While the primary keeps its values none of them may get fewer."""
    order: list[str] = []
    held: list[str] = []
    for each in standbys:
        short = [name for name in KIN if each.moves(name) < 0 and _less(each.after(name), primary, name)]
        if short:
            held.append(
                f"{each.name} waits on: after a restart it would have less {_words(short)} than its primary, which has "
                "to restart first (restart_primary=true)."
            )
        else:
            order.append(each.name)
    return RestartPlan(tuple(order), tuple(held))


def _sparing(result: RestartPlan, members: Sequence[Member], primary: Member) -> RestartPlan:
    """Without those whose absence every commit would wait out."""
    if not primary.required or len(primary.confirming) > primary.required:
        return result
    needed = {each.name for each in members if each.called in primary.confirming}
    told = [
        f"{name} waits on: a commit on {primary.name} is confirmed by {primary.required} of the standbys that stream "
        f"({_words(set(primary.confirming))}), and would wait for its return: bring another one back first, or give "
        "restart_primary=true when writes may pause for some seconds."
        for name in result.order
        if name in needed
    ]
    return RestartPlan(tuple(name for name in result.order if name not in needed), (*result.held, *told))


def _less(value: int | None, primary: Member | None, name: str) -> bool:
    """Whether it is less than what the primary has now, or may be."""
    has = None if primary is None else primary.settings.get(name)
    return value is None or has is None or value < has


def _left_behind(primary: Member, members: Sequence[Member]) -> tuple[str, ...]:
    """Standbys that the primary must not leave behind with more than they have."""
    told = []
    for name in KIN:
        wanted = primary.after(name)
        if primary.moves(name) <= 0 or wanted is None:
            continue
        for each in members:
            has = each.after(name) if each.waiting else each.settings.get(name)
            if not each.primary and (has is None or has < wanted):
                told.append(
                    f"{primary.name} waits on: its {name} would be {wanted} and {each.name} has "
                    f"{'an unknown number' if has is None else has}; raise it there first."
                )
    return tuple(told)


def _words(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
