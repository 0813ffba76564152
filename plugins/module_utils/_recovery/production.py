# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether what is recovered on a host takes production's place: two servers must not archive as one cluster.

What the host itself has does not tell: a server that was recovered beside production is a primary as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """Whether it archives from then on, and why; or why nobody can say."""

    archives: bool
    why: str
    refusal: str | None = None


def verdict(
    here: str, members: Sequence[str], seen: Mapping[str, Mapping[str, Any] | None], option: str, said: bool | None
) -> Verdict:
    """`seen` has the instance of each other member as pg_node_facts told of it, or None."""
    if said is not None:
        return Verdict(said, f"as {option} says")
    if here not in members:
        return Verdict(False, f"since {here} is none of the cluster's servers")
    others = [each for each in members if each != here]
    serving = [each for each in others if _serves(seen.get(each)) is True]
    if serving:
        return Verdict(False, f"since {' and '.join(serving)} serves as the cluster's primary")
    unsure = [each for each in others if _serves(seen.get(each)) is None]
    if unsure:
        return Verdict(
            False,
            "",
            f"{' and '.join(unsure)} did not say whether it serves as a primary, so that nothing was done: two servers "
            "that archive as one cluster spoil its archive. Run this again when it answers, or say "
            f"{option}=true where {here} takes its place for good, or {option}=false, with which what is recovered "
            "archives nothing.",
        )
    return Verdict(True, "since no other server of the cluster serves")


def _serves(instance: Mapping[str, Any] | None) -> bool | None:
    """None where nobody knows. One that is down archives nothing; that it stays so is for its owner to see to."""
    if instance is None or instance.get("state") == "broken":
        return None
    if instance.get("state") != "running":
        return False
    role = instance.get("role")
    return None if role is None else role == "primary"
