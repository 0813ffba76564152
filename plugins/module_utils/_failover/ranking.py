# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a candidate may lack of what was acknowledged: known, bounded by who confirmed commits, or unknown.

A commit that waits for k of n standbys is on k of them. When fewer than k of the n are missing, one of those that are
there has it, and the most advanced of them has all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._failover.ancestry import on
from ansible_collections.runbook.postgres.plugins.module_utils._failover.decision import Refusal, several
from ansible_collections.runbook.postgres.plugins.module_utils._failover.snapshot import Node, Snapshot
from ansible_collections.runbook.postgres.plugins.module_utils._synchronous import confirmers, required_standbys

# As what the control file of a primary that was stopped in order calls it.
CLEAN = "shut down"


@dataclass(frozen=True)
class Loss:
    """What promoting this candidate loses; `known` is None where nobody can tell, `least` is what is seen."""

    least: int
    known: int | None
    # Who has more than the candidate, if anybody.
    ahead: str | None = None
    # Of those that confirm commits, the ones without which nobody knows what they confirmed.
    missing: tuple[str, ...] = ()
    # Why it is known, for the evidence.
    because: str = ""


def loss(node: Node, seen: Snapshot, timeline: int, synchronous: str | None = None) -> Loss:
    """`synchronous` is what the inventory wants of commits, beside what the members say."""
    others = [each for each in seen.nodes if each.name != node.name and on(each, timeline)]
    first = max(others, key=lambda each: each.reach, default=None)
    least = max(first.reach - node.reach, 0) if first is not None else 0
    ahead = first.name if first is not None and least else None
    wanted = _settings(seen, synchronous)
    missing = tuple(dict.fromkeys(name for names in wanted for name in _missing(names, seen, timeline)))
    because = _complete(seen, timeline) or _confirmed(wanted, missing)
    return Loss(least, least if because else None, ahead, missing, because)


def _complete(seen: Snapshot, timeline: int) -> str:
    """Everybody is there, and whoever was primary stopped in order: the furthest of them has all there is."""
    members = [each for each in seen.nodes if not each.blank]
    stopped = any(not each.running for each in members)
    if stopped and all(_told_all(each, timeline) for each in members):
        return "every member was looked at, and the primary had stopped in order"
    return ""


def _told_all(node: Node, timeline: int) -> bool:
    return on(node, timeline) and (node.certain or (not node.running and node.told("control_state") == CLEAN))


def _settings(seen: Snapshot, synchronous: str | None) -> list[str]:
    """What each says of whom commits wait for, each text once."""
    told = [each.setting("synchronous_standby_names") for each in seen.nodes if each.standby]
    return list(dict.fromkeys(str(names).strip() for names in (*told, synchronous) if names is not None))


def _confirmed(wanted: list[str], missing: tuple[str, ...]) -> str:
    """The same is wanted everywhere, so that it held where the primary was."""
    if len(wanted) != 1 or missing or not required_standbys(wanted[0]):
        return ""
    return f"commits waited for {wanted[0]}, and enough of those are there"


def _missing(names: str, seen: Snapshot, timeline: int) -> list[str]:
    """Those whose word is needed and not there; none when enough of them are."""
    required = required_standbys(names)
    if not required:
        return []
    named = confirmers(names)
    members = [each for each in seen.nodes if not each.blank and ("*" in named or each.member in named)]
    unheard = [each.name for each in members if not (each.certain and on(each, timeline))]
    unheard += sorted(named - {each.member for each in members} - {"*"})
    # The old primary confirmed nothing to itself. Of those that it may have been it is taken for the one with which
    # most of the others count.
    possible = [each.name for each in seen.nodes if not each.standby and not each.blank] or [""]
    worst = max(len([name for name in unheard if name != primary]) for primary in possible)
    return unheard if worst >= required else []


def is_bearable(node: Node, found: Loss, max_lag_bytes: int, *, allow_data_loss: bool) -> Iterator[Refusal]:
    least = found.known if found.known is not None else found.least
    if least > max_lag_bytes:
        yield Refusal(
            "lag_over_limit",
            f"{node.name} lacks {least} bytes that {found.ahead} has, and {max_lag_bytes} are allowed: promote that "
            "one, or raise the limit.",
            node.name,
        )
    if node.to_replay > max_lag_bytes:
        yield Refusal(
            "replay_behind",
            f"{node.name} has {node.to_replay} bytes to replay before it takes a write, and {max_lag_bytes} are "
            "allowed: let it catch up, or raise the limit.",
            node.name,
        )
    if not allow_data_loss:
        yield from _unbearable(node, found)


def _unbearable(node: Node, found: Loss) -> Iterator[Refusal]:
    if found.missing:
        yield Refusal(
            "confirming_standby_unseen",
            f"{several(found.missing)} may hold commits that were acknowledged and that {node.name} lacks: bring it "
            "back, or say allow_data_loss.",
            node.name,
        )
    if found.least:
        yield Refusal(
            "data_loss",
            f"{node.name} lacks {found.least} bytes that {found.ahead} has: promote that one, or say allow_data_loss.",
            node.name,
        )
    elif found.known is None and not found.missing:
        yield Refusal(
            "loss_unknown",
            f"Nobody knows what the primary wrote beyond what {node.name} has, since commits waited for no standby: "
            "say allow_data_loss.",
            node.name,
        )
