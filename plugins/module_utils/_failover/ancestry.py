# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""On which timeline the cluster lived last. The number does not tell: a higher one may be a dead branch."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.runbook.postgres.plugins.module_utils._failover.decision import Refusal
from ansible_collections.runbook.postgres.plugins.module_utils._failover.snapshot import Node, Snapshot


def timelines(seen: Snapshot) -> dict[str, int]:
    return {each.name: each.branch.timeline for each in seen.nodes if each.branch is not None}


def last_timeline(seen: Snapshot, named: int | None) -> int | None:
    """The one that somebody named, else the one that all are on; None where only a person can tell."""
    found = set(timelines(seen).values())
    return named if named is not None else found.pop() if len(found) == 1 else None


def is_known(seen: Snapshot, named: int | None) -> Iterator[Refusal]:
    found = timelines(seen)
    if last_timeline(seen, named) is None and found:
        told = ", ".join(f"{name} on {timeline}" for name, timeline in found.items())
        yield Refusal(
            "timelines_differ",
            f"The members are on different timelines ({told}), and the highest need not be the one that the clients "
            "used: find out which it was, and name it.",
        )


def has_one_history(seen: Snapshot, timeline: int) -> Iterator[Refusal]:
    """Two promotions may have taken the same number."""
    alike = [each for each in seen.nodes if on(each, timeline)]
    for each in alike[1:]:
        # The histories alone, since how far each got is another question.
        if _histories(each) != _histories(alike[0]):
            yield Refusal(
                "histories_differ",
                f"{alike[0].name} and {each.name} came to timeline {timeline} in different ways, so that one of them "
                "is a dead branch: find out which, and take it out of postgres_hosts.",
                each.name,
            )


def _histories(node: Node) -> tuple[tuple[int, str], ...]:
    return tuple(node.branch.ancestors) if node.branch else ()


def on(node: Node, timeline: int) -> bool:
    return node.branch is not None and node.branch.timeline == timeline


def is_on(node: Node, timeline: int) -> Iterator[Refusal]:
    if not on(node, timeline):
        yield Refusal(
            "dead_branch",
            f"{node.name} is on timeline {node.branch.timeline if node.branch else 'unknown'} and the cluster lived on "
            f"{timeline}: it cannot take over; clone it again.",
            node.name,
        )
