# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""When no server takes writes: what keeps a first primary from being made or started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.member import Member
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.wishes import Wishes
from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch


def refusals(members: Sequence[Member], wanted: Wishes) -> Iterator[str]:
    unseen = [member.name for member in members if not member.reachable]
    if unseen:
        yield (
            f"No primary is seen, and {' and '.join(unseen)} could not be looked at: the primary may be there. "
            "See to it that every member is reached, or take those that are gone out of postgres_hosts."
        )
    for member in members:
        if member.unmounted:
            yield f"No primary is seen, and {member.name} lacks a disk: {member.problem}"
        elif member.foreign or member.silent:
            yield f"No primary is seen, and {member.name} does not tell who it is: {member.problem}"
        elif member.kept_stopped is not None:
            yield (
                f"No primary is seen, and {member.name} is stopped and its start.conf says {member.kept_stopped}: "
                "somebody keeps it from starting; if it may start, write auto into "
                f"{member.instance.get('config_directory')}/start.conf."
            )
    holders = [member for member in members if member.has_data]
    if holders:
        yield from _held(holders, wanted)
    elif wanted.first_primary is None:
        yield "No member has data yet: say in postgres_first_primary which one is to be the first primary."


def _held(holders: Sequence[Member], wanted: Wishes) -> Iterator[str]:
    known = [each for each in holders if each.system_identifier]
    found = "; ".join(f"{each.name} ({each.reach}, system identifier {each.system_identifier})" for each in known)
    named = [each.name for each in holders if each.name in wanted.rebuild]
    if named:
        yield (
            f"{' and '.join(named)} is named in replication_rebuild, but there is no primary to copy from: "
            "start or promote one by hand first."
        )
    if len({each.system_identifier for each in known}) > 1:
        yield (
            f"The members hold data of different clusters: {found}. "
            "Take those that do not belong here out of postgres_hosts."
        )
    elif known and not _to_be_started(holders, wanted):
        best = max(known, key=_rank)
        how = "start it" if best.role == "primary" else "promote it"
        yield (
            f"No primary runs, and {found} hold data; {best.name} has the most advanced. Find out which one is right, "
            f"then {how} by hand and run this again."
        )


def _to_be_started(holders: Sequence[Member], wanted: Wishes) -> bool:
    """The first primary, stopped, is the only one with data: a first run that did not get far."""
    return (
        len(holders) == 1
        and holders[0].name == wanted.first_primary
        and holders[0].state == "stopped"
        and holders[0].role == "primary"
    )


def _rank(member: Member) -> tuple[int, int, int]:
    return (member.branch or Branch(0, "0/0")).rank
