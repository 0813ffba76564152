# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether one server becomes primary, and in which steps: pure."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._promote.checks import (
    Refusal,
    Wish,
    against_primary,
    against_standby,
    loss,
)
from ansible_collections.runbook.postgres.plugins.module_utils._promote.observe import Seen, Server
from ansible_collections.runbook.postgres.plugins.module_utils._slots import keeping


@dataclass(frozen=True)
class Resume:
    title: str

    @property
    def sentence(self) -> str:
        return f"let instance {self.title} replay what it has"


@dataclass(frozen=True)
class Promote:
    title: str
    timeline: int

    @property
    def sentence(self) -> str:
        return f"promote instance {self.title}, which leaves timeline {self.timeline}"


@dataclass(frozen=True)
class Promotion:
    """What is planned, with what it rests on."""

    plan: Plan
    refusals: tuple[Refusal, ...] = ()
    # None where nobody can tell.
    loss: int | None = 0
    # The timeline then; a number that an archive knows and this host does not is passed over as well.
    timeline: int = 0


def plan(seen: Seen, wish: Wish) -> Promotion:
    server = seen.server
    before = _line(server)
    if not server.in_recovery:
        refusals = tuple(against_primary(seen, wish))
        kept = Plan(before=(before,), after=(before,))
        return Promotion(kept, refusals, timeline=server.timeline)
    refusals = tuple(against_standby(seen, wish))
    after = seen.newest_timeline + 1
    if refusals:
        return Promotion(Plan(before=(before,), after=(before,)), refusals, loss(server, wish), after)
    resumes = (Resume(seen.title),) if server.paused else ()
    slots = _slots(server)
    keep = keeping.due(wish.slots, slots)
    held = () if keep is None else keep.slots
    changes = (*resumes, *((keep,) if keep else ()), Promote(seen.title, server.timeline))
    then = (f"primary on timeline {after}", *(f"slot {name} keeps WAL" for name in held))
    decided = Plan(changes, keeping.unkept(wish.slots, slots), before=(before,), after=then)
    return Promotion(decided, loss=loss(server, wish), timeline=after)


def _slots(server: Server) -> keeping.Found:
    free = server.settings.get("max_replication_slots", 0) - len(server.slots)
    return keeping.Found(server.slots, server.idle_slots, free, server.settings.get(keeping.LIMIT, -1))


def _line(server: Server) -> str:
    """A primary's position is another at each moment, which is no difference."""
    if server.in_recovery:
        return f"standby on timeline {server.timeline} at {server.reach}"
    return f"primary on timeline {server.timeline}"
