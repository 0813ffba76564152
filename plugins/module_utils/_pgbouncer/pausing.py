# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Pools that hold their clients back for a while, and let them go on: decided here, from what is known. Pure.

Whoever lets them go on knows which were held back by us: a pool that somebody
else paused, before or meanwhile, is that somebody's to resume.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan


@dataclass(frozen=True)
class Pool:
    """One database of one process; `hosts` are where it leads to."""

    process: int
    name: str
    hosts: tuple[str, ...]
    paused: bool = False
    # Transactions that go on at a server to which it leads no more.
    stuck: int = 0

    @property
    def title(self) -> str:
        return f"{self.name} of process {self.process}" if self.process else self.name


@dataclass(frozen=True)
class Held:
    """A pool that we paused, and where it led to then."""

    process: int
    name: str
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Pause:
    pool: Pool

    @property
    def sentence(self) -> str:
        return f"pause {self.pool.title}"


@dataclass(frozen=True)
class Resume:
    pool: Pool

    @property
    def sentence(self) -> str:
        return f"resume {self.pool.title}"


@dataclass(frozen=True)
class Drop:
    """Its clients are told that their connection is gone, all of them: PgBouncer ends no single one."""

    pool: Pool

    @property
    def sentence(self) -> str:
        return f"end {self.pool.stuck} transactions of {self.pool.title} at a server to which it leads no more"


def plan_pause(pools: Sequence[Pool], addresses: Sequence[str]) -> Plan:
    """Those that lead to one of these hosts wait, as do their clients."""
    return _plan(pools, [Pause(each) for each in pools if not each.paused and set(each.hosts) & set(addresses)])


def plan_resume(
    pools: Sequence[Pool], addresses: Sequence[str], held: Sequence[Held], *, drop_stuck: bool = False
) -> Plan:
    """Those that we paused for one of these hosts go on, wherever they lead to by now."""
    ours = {(each.process, each.name) for each in held if set(each.hosts) & set(addresses)}
    open_again = [each for each in pools if each.paused and (each.process, each.name) in ours]
    drops = [Drop(each) for each in open_again if drop_stuck and each.stuck]
    return _plan(pools, [*drops, *(Resume(each) for each in open_again)])


def _plan(pools: Sequence[Pool], steps: Sequence[Pause | Resume | Drop]) -> Plan:
    turned = {each.pool for each in steps}
    before = [_line(each, paused=each.paused) for each in pools]
    after = [_line(each, paused=each.paused != (each in turned)) for each in pools]
    return Plan(tuple(steps), before=before, after=after)


def _line(pool: Pool, *, paused: bool) -> str:
    return f"{pool.title}, to {', '.join(pool.hosts) or 'this host'}: {'paused' if paused else 'open'}"


def still_held(held: Sequence[Held], addresses: Sequence[str]) -> tuple[Held, ...]:
    """What is left to be remembered when those for these hosts were let go."""
    return tuple(each for each in held if not set(each.hosts) & set(addresses))


def with_paused(held: Sequence[Held], steps: Sequence[Pause]) -> tuple[Held, ...]:
    new = [Held(each.pool.process, each.pool.name, each.pool.hosts) for each in steps]
    known = {(each.process, each.name) for each in new}
    return (*(each for each in held if (each.process, each.name) not in known), *new)


def written(held: Sequence[Held]) -> bytes:
    return (json.dumps({"paused": [asdict(each) for each in held]}, indent=2) + "\n").encode()


def read(content: bytes) -> tuple[Held, ...]:
    told = json.loads(content)["paused"]
    return tuple(Held(each["process"], each["name"], tuple(each["hosts"])) for each in told)
