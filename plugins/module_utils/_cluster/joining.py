# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a node with data in it may follow the primary that runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.member import Member
from ansible_collections.runbook.postgres.plugins.module_utils._history import position


def newer(primary: Member, members: Sequence[Member]) -> Iterator[str]:
    """Members that came out of a promotion which the primary knows nothing of: it is the one left behind."""
    for member in members:
        own, other = primary.branch, member.branch
        if _same_cluster(member, primary) and own and other and other.descends_from(own):
            yield (
                f"{primary.name} takes writes on timeline {own.timeline}, but {member.name} is already on timeline "
                f"{other.timeline}, which left it at {other.left(own.timeline)}: another server was promoted. "
                f"Stop {primary.name} if the clients use the other one; else name {member.name} in replication_rebuild."
            )


def refusal(member: Member, primary: Member) -> str | None:
    """Why this node is left alone; None when it can be a standby as it is."""
    if member.foreign or member.silent:
        return f"{member.name} is left alone: {member.problem}"
    where = f"{member.name} has data in {member.instance.get('data_directory')}"
    if not _same_cluster(member, primary):
        return (
            f"{where} of another cluster (system identifier {member.system_identifier}; {primary.name} has "
            f"{primary.system_identifier}): take it out of postgres_hosts, or name it in replication_rebuild to "
            "replace its data."
        )
    rebuild = (
        "runbook.postgres.rejoin keeps what only it has and brings it back, or name it in replication_rebuild to have "
        "its data moved aside and a new copy made"
    )
    if member.role == "primary":
        return (
            f"{where} of a former primary, stopped at {member.reach}, while {primary.name} is the primary "
            f"({primary.reach}): {rebuild}."
        )
    if member.branch and primary.branch:
        why = member.branch.parting(primary.branch, ahead_counts=not member.instance.get("upstream"))
        if why is not None:
            return f"{where} of a standby that went another way than {primary.name} ({member.reach}): {why}; {rebuild}."
    return None


def rewindable(member: Member, primary: Member) -> bool:
    """Whether it is worth a look: what its data allows, the host itself finds out."""
    if not _same_cluster(member, primary) or member.primary:
        return False
    return not member.silent or bool(member.instance.get("unfinished_rewind"))


def gone(member: Member, upstream: Member) -> str | None:
    """Why a standby that could follow will not: what it needs next is kept no more where it would get it from."""
    oldest, branch = upstream.instance.get("oldest_wal"), member.branch
    if oldest is None or branch is None or (member.instance.get("upstream") or {}).get("status") == "streaming":
        return None
    if position(branch.lsn) >= position(oldest):
        return None
    return (
        f"{member.name} has WAL up to {branch.lsn} and {upstream.name} keeps it from {oldest} on only, and it cannot "
        "go on: name it in replication_rebuild to have its data moved aside and a new copy made."
    )


def kept_stopped(member: Member) -> str | None:
    """A server that somebody stopped for good, or that left the cluster, is not started behind that person's back."""
    if member.kept_stopped is None:
        return None
    start = f"{member.instance.get('config_directory')}/start.conf"
    return (
        f"{member.name} is stopped and {start} says {member.kept_stopped}: somebody keeps it from starting; "
        "runbook.postgres.add_replica brings it back, or write auto there."
    )


def _same_cluster(member: Member, primary: Member) -> bool:
    return member.system_identifier is not None and member.system_identifier == primary.system_identifier
