# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Questions about one candidate; none of them is about where it stands beside the others."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.runbook.postgres.plugins.module_utils._failover.decision import Refusal
from ansible_collections.runbook.postgres.plugins.module_utils._failover.snapshot import Node, Snapshot

# A WAL segment for what is written at once, and as much for a checkpoint to end.
LEAST_FREE_BYTES = 64 * 1024 * 1024


def is_standby(node: Node) -> Iterator[Refusal]:
    if not node.seen:
        why = f": {node.reason}" if node.reason else "."
        yield Refusal("candidate_unseen", f"{node.name} could not be looked at and cannot be promoted{why}", node.name)
    elif not node.standby:
        yield Refusal(
            "candidate_no_standby",
            f"{node.name} is no running standby (its instance is {node.told('state')}) and cannot be promoted: start "
            "it and let it catch up, or choose another.",
            node.name,
        )


def replays(node: Node) -> Iterator[Refusal]:
    if node.told("replay_paused"):
        yield Refusal(
            "replay_paused",
            f"Replay is paused on {node.name}: let it go on with SELECT pg_wal_replay_resume(), or choose another.",
            node.name,
        )
    delay = node.setting("recovery_min_apply_delay")
    if delay:
        yield Refusal(
            "apply_delay",
            f"{node.name} replays with a delay (recovery_min_apply_delay is {delay} ms): set it to 0 there, or choose "
            "another.",
            node.name,
        )


def has_room(node: Node, seen: Snapshot) -> Iterator[Refusal]:
    """Every other member is to stream from it, with a slot of its own, while it writes."""
    others = [each for each in seen.nodes if each.name != node.name and not each.blank]
    missing = {each.member for each in others} - node.slots
    slots = node.setting("max_replication_slots")
    if slots is not None and len(node.slots) + len(missing) > int(slots):
        yield Refusal(
            "no_free_slots",
            f"{node.name} has {int(slots) - len(node.slots)} replication slots free and needs {len(missing)} more for "
            "the members that will follow it: raise max_replication_slots there, or drop slots that nobody uses.",
            node.name,
        )
    senders = node.setting("max_wal_senders")
    if senders is not None and int(senders) < len(others):
        yield Refusal(
            "no_free_senders",
            f"{node.name} can send WAL to {senders} and {len(others)} will follow it: raise max_wal_senders there.",
            node.name,
        )
    if node.wal_free_bytes is not None and node.wal_free_bytes < LEAST_FREE_BYTES:
        yield Refusal(
            "no_room",
            f"{node.name} has {node.wal_free_bytes // 1024 // 1024} MiB left where its WAL is and would stop at once "
            "as primary: make room there, or choose another.",
            node.name,
        )


def fit(node: Node, seen: Snapshot) -> Iterator[Refusal]:
    """All of them; one that is no standby is not asked the rest."""
    found = list(is_standby(node))
    yield from found
    if not found:
        yield from replays(node)
        yield from has_room(node, seen)
