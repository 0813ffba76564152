# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether those are there for whom commits wait on the new primary; without them each commit waits for ever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._failover.decision import Refusal
from ansible_collections.runbook.postgres.plugins.module_utils._failover.snapshot import Node
from ansible_collections.runbook.postgres.plugins.module_utils._synchronous import confirmers, required_standbys


def short(primary: Node, followers: Sequence[Node]) -> str:
    """Since how many are there of how many; empty where they are enough."""
    names = str(primary.setting("synchronous_standby_names") or "")
    wanted = confirmers(names)
    there = [each for each in followers if "*" in wanted or each.member in wanted]
    required = required_standbys(names)
    return (
        f"since {len(there)} of the {required} standbys are there that {names} asks for"
        if len(there) < required
        else ""
    )


def are_there(node: Node, followers: Sequence[Node]) -> Iterator[Refusal]:
    why = short(node, followers)
    if why:
        yield Refusal(
            "commits_would_wait",
            f"Each commit on {node.name} would wait for ever, {why}: bring a standby back, or say without_synchronous "
            "to have commits wait for none until one is.",
            node.name,
        )


def told(primary: Node, why: str, *, accepted: bool) -> Iterator[str]:
    if why and accepted:
        yield (
            f"Commits on {primary.name} wait for no standby, {why}; runbook.postgres.rejoin and runbook.postgres.site "
            "have them wait again once enough stream."
        )
    elif why:
        yield f"Each commit on {primary.name} waits, {why}: say without_synchronous, or bring a standby back."
