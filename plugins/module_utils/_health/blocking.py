# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who waits for whom, as trees: the session at the root is the one to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.sessions import LockParty


@dataclass(frozen=True)
class Blocked:
    """A session and those that wait for it; each session stands in the forest once."""

    pid: int
    party: LockParty | None
    waiters: list[Blocked] = field(default_factory=list)

    def count(self) -> int:
        return sum(1 + waiter.count() for waiter in self.waiters)

    def longest_wait(self) -> float:
        waits = [waiter.party.waiting_seconds for waiter in self.waiters if waiter.party]
        return max([*waits, *(waiter.longest_wait() for waiter in self.waiters)], default=0.0)


def blocking_forest(parties: Sequence[LockParty]) -> list[Blocked]:
    """One tree for each session that blocks others without waiting itself.

    A session that waits for several stands below the first of them. Sessions
    that wait for each other in a circle have no root, so the one with the
    smallest pid serves as one. Pid 0 stands for a prepared transaction.
    """
    by_pid = {party.pid: party for party in parties}
    waiters: dict[int, list[int]] = {}
    for party in parties:
        for blocker in sorted(set(party.blocked_by)):
            waiters.setdefault(blocker, []).append(party.pid)
    waiting = {party.pid for party in parties if party.blocked_by}
    placed: set[int] = set()
    roots = sorted(blocker for blocker in waiters if blocker not in waiting)
    forest = [_tree(root, by_pid, waiters, placed) for root in roots]
    # One by one: the tree of the first takes in the others of its circle.
    circles = (pid for pid in sorted(waiting) if pid not in placed and pid in waiters)
    forest += [_tree(pid, by_pid, waiters, placed) for pid in circles]
    return sorted(forest, key=lambda tree: (-tree.count(), tree.pid))


def _tree(root: int, by_pid: dict[int, LockParty], waiters: dict[int, list[int]], placed: set[int]) -> Blocked:
    """Built level by level, not by recursion: a queue may be as long as max_connections."""
    top = Blocked(root, by_pid.get(root))
    placed.add(root)
    level = [top]
    while level:
        below = []
        for node in level:
            for pid in waiters.get(node.pid, []):
                if pid not in placed:
                    placed.add(pid)
                    child = Blocked(pid, by_pid.get(pid))
                    node.waiters.append(child)
                    below.append(child)
        level = below
    return top
