# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who may be the old primary, and whether enough of those who can see say that it is gone.

That a host cannot be reached from here says nothing of those who reach it from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.runbook.postgres.plugins.module_utils._failover.decision import Refusal, several
from ansible_collections.runbook.postgres.plugins.module_utils._failover.snapshot import Node, Snapshot

CONTROLLER = "the controller"
VANTAGE_POINTS = 2

# What others said of a host when they were asked whether its server can be reached: of each suspect, by who looked.
Witnesses = Mapping[str, Mapping[str, bool]]


def suspects(seen: Snapshot) -> tuple[Node, ...]:
    """Whoever is not seen to be a standby, or to start as one, may take writes now or when it is back."""
    return tuple(each for each in seen.nodes if not (each.standby or each.stopped_standby or each.blank))


def nobody_is_foreign(seen: Snapshot) -> Iterator[Refusal]:
    for each in seen.nodes:
        if each.told("state") == "foreign":
            yield Refusal(
                "member_foreign",
                f"{each.name} holds something else than this cluster's data: {each.told('problem') or each.reason}",
                each.name,
            )


def somebody_was_primary(seen: Snapshot) -> Iterator[Refusal]:
    """Where all are standbys, the primary is one that nobody was told of."""
    if not suspects(seen) and any(each.standby for each in seen.nodes):
        yield Refusal(
            "primary_unlisted",
            f"All of {seen.names} are standbys, so that none of them can have been the primary: see with "
            "runbook.postgres.topology whom they followed, and have that one in postgres_hosts.",
        )


def nobody_streams(seen: Snapshot, fenced: frozenset[str]) -> Iterator[Refusal]:
    """A standby that gets WAL gets it from a primary that lives, unless it is from another standby."""
    found = suspects(seen)
    if found and all(each.name in fenced for each in found):
        return
    fed = {member for each in seen.nodes if each.standby for member in each.told("streaming") or ()}
    for each in seen.nodes:
        if each.standby and each.upstream is not None and each.member not in fed:
            yield Refusal(
                "still_streaming",
                f"{each.name} streams from {each.upstream}, so that the primary lives there: switch over instead; one "
                "that hangs shows once wal_receiver_timeout has passed, or when it is fenced.",
                each.name,
            )


def enough_say_so(seen: Snapshot, witnesses: Witnesses, fenced: frozenset[str]) -> Iterator[Refusal]:
    """Whoever is fenced need not be looked at any more; a fence that somebody reaches through is none."""
    for node in suspects(seen):
        reached = [name for name, reaches in witnesses.get(node.name, {}).items() if reaches]
        blind = vantage_points(node, seen, witnesses)
        if reached:
            yield Refusal(
                "witness_reaches",
                f"{several(reached)} still reaches {node.name}, which may take writes there: mend the way to it, or "
                "stop it from there, before another is promoted.",
                node.name,
            )
        elif node.name not in fenced and len(blind) < VANTAGE_POINTS:
            yield Refusal(
                "not_proven_dead",
                f"Only {several(blind) or 'nobody'} says that {node.name} is gone, which takes {VANTAGE_POINTS}: have "
                "another host look at it as well.",
                node.name,
            )


def vantage_points(node: Node, seen: Snapshot, witnesses: Witnesses) -> list[str]:
    """Who says independently that it is gone; a host that shows its stopped server leaves nothing to be asked.

    A server that runs and refuses to say what it is, as one with too many clients does, is not gone from here.
    """
    if _stopped(node):
        return [CONTROLLER, node.name]
    here = [] if node.running else [CONTROLLER]
    others = [each.name for each in seen.nodes if each.standby and each.upstream is None]
    asked = [name for name, reaches in witnesses.get(node.name, {}).items() if not reaches]
    return [*here, *dict.fromkeys([*others, *asked])]


def _stopped(node: Node) -> bool:
    return bool(node.told("state") == "stopped")


def all_are_fenced(seen: Snapshot, fenced: frozenset[str]) -> Iterator[Refusal]:
    for node in suspects(seen):
        if node.name not in fenced:
            yield Refusal(
                "not_fenced",
                f"There is no proof that {node.name} is kept from taking writes, and beside it a promoted one would be "
                "the second primary: power it off, stop and mask it, or cut it off, and have that read back.",
                node.name,
            )
