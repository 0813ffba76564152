# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a member that is down may come up again, as far as the others have to do with that.

A standby may at any time. What would be a primary may only where it is certain that
nobody else is one, or was one after it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.member import Member


def obstacles(name: str, cluster: Mapping[str, Any], gone: Collection[str] = ()) -> dict[str, Any]:
    """`primary`, the other member that takes writes, and `refusals`; `gone` are members known to be off."""
    members = {each: Member(each, facts or None) for each, facts in cluster["nodes"].items()}
    others = [each for each in members.values() if each.name != name]
    primary = next((each.name for each in others if each.primary), None)
    own = members[name]
    # One that runs already is what it is, and a standby follows.
    comes_as_primary = own.reachable and not own.running and own.role != "standby"
    reasons = cluster.get("reasons") or {}
    refusals = list(_refusals(own, others, gone, reasons)) if comes_as_primary and primary is None else []
    return {"primary": primary, "refusals": refusals}


def _refusals(own: Member, others: list[Member], gone: Collection[str], reasons: Mapping[str, str]) -> Iterator[str]:
    for each in others:
        if not each.reachable and each.name not in gone:
            why = f" ({reasons[each.name]})" if each.name in reasons else ""
            yield (
                f"{own.name} would come up as the primary, and {each.name} could not be looked at{why} and may be the "
                f"primary by now: see to the way to it, or make sure that it is off and name it in server_recover_gone."
            )
        elif each.reachable and each.silent:
            yield (
                f"{own.name} would come up as the primary, and {each.name} does not tell what it is: {each.problem} "
                "See to that first."
            )
        elif _promoted_since(each, own):
            yield (
                f"{own.name} would come up as the primary on timeline {own.branch and own.branch.timeline}, and "
                f"{each.name} has data of timeline {each.branch and each.branch.timeline}, which left it: another "
                f"server was promoted after it. Start {each.name} if clients wrote to that one; else keep what it has "
                "and name it in replication_rebuild."
            )
        elif _a_primary_as_well(each, own) and not _promoted_since(own, each):
            yield (
                f"{own.name} and {each.name} would both come up as primaries ({own.reach}; {each.reach}): find out "
                "which one clients wrote to last, and recover that one with --limit after the other is named in "
                "replication_rebuild or kept from starting."
            )


def _a_primary_as_well(other: Member, own: Member) -> bool:
    return other.role == "primary" and not other.running and other.system_identifier == own.system_identifier


def _promoted_since(other: Member, own: Member) -> bool:
    mine, theirs = own.branch, other.branch
    same = other.system_identifier is not None and other.system_identifier == own.system_identifier
    return bool(same and mine and theirs and theirs.descends_from(mine))
