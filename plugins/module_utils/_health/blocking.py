# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who waits for whom, as trees: the session at the root is the one to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.sessions import LockParty

# Deeper than anybody follows. JSON, Ansible and we go down a tree by recursion,
# which Python ends after a thousand levels.
DEEPEST = 20


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
    smallest pid serves as one. Pid 0 stands for a prepared transaction. Below
    DEEPEST levels a session stands beside those it waits for.
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
    # One by one: the tree of a circle takes in its members and all that wait for them.
    circled = (pid for pid in sorted(waiting) if pid not in placed)
    forest += [_tree(_circle_above(pid, by_pid), by_pid, waiters, placed) for pid in circled]
    return sorted(forest, key=lambda tree: (-tree.count(), tree.pid))


def _tree(root: int, by_pid: dict[int, LockParty], waiters: dict[int, list[int]], placed: set[int]) -> Blocked:
    """Built level by level, not by recursion: a queue may be as long as max_connections."""
    top = Blocked(root, by_pid.get(root))
    placed.add(root)
    # A session, and the one below which those that wait for it are put.
    level = [(top, top)]
    depth = 0
    while level:
        below = []
        depth += 1
        for node, home in level:
            for pid in waiters.get(node.pid, []):
                if pid not in placed:
                    placed.add(pid)
                    child = Blocked(pid, by_pid.get(pid))
                    home.waiters.append(child)
                    below.append((child, child if depth < DEEPEST else home))
        level = below
    return top


def _circle_above(pid: int, by_pid: dict[int, LockParty]) -> int:
    """The smallest pid of the circle that a session without a root waits for in the end."""
    passed: dict[int, None] = {}
    while pid not in passed:
        passed[pid] = None
        pid = min(by_pid[pid].blocked_by)
    way = list(passed)
    return min(way[way.index(pid) :])
