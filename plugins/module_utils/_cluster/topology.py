# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who is to be what in a cluster: decided from what its servers say, without asking or changing anything.

A refusal about the cluster leaves nobody with anything to do; one about a node leaves that node alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._cluster import alone, joining, wishes
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.fitness import unfit, unsupported
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.member import Member, member_name

# What a role does something about.
JOINING = ("clone", "rebuild")
SERVING = ("standby", *JOINING)
# Who may keep a cluster that is built here.
KEEPER = "Patroni"


@dataclass
class Decision:
    """What each node is to be, and why some are to be left alone."""

    primary: str | None = None
    tasks: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    cluster: list[str] = field(default_factory=list)

    def refuse(self, name: str, sentence: str) -> None:
        self.tasks[name] = "refused"
        self.refusals[name] = sentence


def decide(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """The topology of a cluster: {name, first_primary, rebuild, nodes, addresses, upstreams} in, who is what out."""
    members = [Member(name, facts or None) for name, facts in cluster["nodes"].items()]
    wanted = wishes.of(cluster)
    decision = _decided(members, wanted)
    _refuse_unfit(decision, members, cluster)
    _leave_to_keeper(decision, members)
    if decision.cluster:
        _leave_alone(decision, members)
    return _result(decision, members, cluster, wanted)


def _decided(members: Sequence[Member], wanted: wishes.Wishes) -> Decision:
    primaries = [member for member in members if member.primary]
    refusals = [*wishes.refusals(wanted, [member.name for member in members]), *_split(primaries)]
    if refusals:
        return Decision(primaries[0].name if len(primaries) == 1 else None, cluster=refusals)
    if primaries:
        return _around(primaries[0], members, wanted)
    return _without_primary(members, wanted)


def _split(primaries: Sequence[Member]) -> Iterator[str]:
    if len(primaries) < 2:
        return
    found = "; ".join(f"{each.name} ({each.reach}, system identifier {each.system_identifier})" for each in primaries)
    if len({each.system_identifier for each in primaries}) > 1:
        yield (
            f"Two clusters are listed as one: {found} all run as primary, with different data. "
            "Take the one that does not belong here out of postgres_hosts."
        )
    else:
        yield (
            f"More than one primary takes writes: {found}. Nothing is touched: find out which one the clients use, "
            "stop the other by hand, and have runbook.postgres.rejoin bring it back; it keeps what only that one has."
        )


def _around(primary: Member, members: Sequence[Member], wanted: wishes.Wishes) -> Decision:
    """A primary runs: everybody else follows it, or is left alone."""
    decision = Decision(primary.name)
    if primary.name in wanted.rebuild:
        decision.cluster.append(
            f"{primary.name} is the primary and is named in replication_rebuild: its data would be lost; take it out."
        )
    decision.cluster += joining.newer(primary, [each for each in members if each.name not in wanted.rebuild])
    for member in members:
        if member.name == primary.name:
            decision.tasks[member.name] = "primary"
        elif not member.reachable:
            decision.tasks[member.name] = "unknown"
        elif member.unmounted:
            decision.refuse(member.name, f"{member.name} is left alone: {member.problem}")
        elif member.blank:
            decision.tasks[member.name] = "clone"
        else:
            upstream = next((each for each in members if each.name == wanted.upstreams.get(member.name)), primary)
            _follow(decision, member, primary, upstream, wanted)
    return decision


def _follow(decision: Decision, member: Member, primary: Member, upstream: Member, wanted: wishes.Wishes) -> None:
    """A node with data; one that is named for rebuild and can follow is not rebuilt, or it would be with each run."""
    # One that is stopped, or has yet to replay what it has, may have more than it says; one that restores gets more.
    lost = member.running and member.instance.get("awaits_wal") is True and member.instance.get("restores") is False
    refusal = joining.refusal(member, primary) or (joining.gone(member, upstream) if lost else None)
    if refusal is not None and member.name in wanted.rebuild:
        decision.tasks[member.name] = "rebuild"
        return
    if member.name in wanted.rejoining and joining.rewindable(member, primary):
        refusal = None
    if member.name not in wanted.returning:
        refusal = refusal or joining.kept_stopped(member)
    if refusal is None:
        decision.tasks[member.name] = "standby"
    else:
        decision.refuse(member.name, refusal)


def _without_primary(members: Sequence[Member], wanted: wishes.Wishes) -> Decision:
    """Nobody takes writes: a first run, or somebody has to decide."""
    refusals = list(alone.refusals(members, wanted))
    if refusals:
        return Decision(cluster=refusals)
    holder = next((each for each in members if each.has_data), None)
    name = holder.name if holder else str(wanted.first_primary)
    decision = Decision(name, {each.name: "clone" for each in members})
    decision.tasks[name] = "primary" if holder else "bootstrap"
    return decision


def _refuse_unfit(decision: Decision, members: Sequence[Member], cluster: Mapping[str, Any]) -> None:
    """Hosts that cannot be what they are to be: that is a wrong inventory, and nobody is changed for it."""
    for member in members:
        if decision.tasks.get(member.name) not in ("refused", "unknown") and member.facts is not None:
            sentence = " ".join(unfit(member.name, member.facts, bool(cluster.get("other_sources"))))
            if sentence:
                decision.refuse(member.name, sentence)
                decision.cluster.append(sentence)
    for name, facts in (cluster.get("poolers") or {}).items():
        decision.cluster += unsupported(name, facts or {})


def _keeper(members: Sequence[Member]) -> str | None:
    """Patroni, where it runs on any member: slots, commits that wait and who is primary are its own then."""
    return KEEPER if any(KEEPER in member.promoters for member in members) else None


def _leave_to_keeper(decision: Decision, members: Sequence[Member]) -> None:
    """What it would undo, or do at the same time."""
    if _keeper(members) is None:
        return
    if decision.primary is None:
        decision.cluster.insert(
            0,
            "Patroni keeps this cluster, and no primary is seen: it makes one by itself, and patronictl list tells "
            "what it waits for.",
        )
    for name in [each for each, task in decision.tasks.items() if task in JOINING]:
        decision.refuse(
            name,
            f"{name} has no data of this cluster, which Patroni keeps: take the cluster back with "
            "runbook.postgres.patroni and patroni_state=absent, have this add the member, and hand it over again.",
        )


def _leave_alone(decision: Decision, members: Sequence[Member]) -> None:
    for member in members:
        decision.tasks[member.name] = "refused" if member.reachable else "unknown"
        if member.name == decision.primary and not member.primary:
            # It was only going to be.
            decision.primary = None


def _result(
    decision: Decision, members: Sequence[Member], cluster: Mapping[str, Any], wanted: wishes.Wishes
) -> dict[str, Any]:
    by_name = {member.name: member for member in members}
    primary = by_name[decision.primary].instance if decision.primary else {}
    addresses, reasons = cluster.get("addresses") or {}, cluster.get("reasons") or {}
    return {
        "primary": decision.primary,
        "bootstrap": "bootstrap" in decision.tasks.values(),
        "system_identifier": primary.get("system_identifier"),
        "timeline": primary.get("timeline"),
        "nodes": {
            name: {
                "task": decision.tasks[name],
                "upstream": None if name == decision.primary else wanted.upstreams.get(name, decision.primary),
                "member": member_name(name),
                "address": addresses.get(name, name),
                "streams": member.streams,
                "reads_away": bool(member.instance.get("reads_away")),
                "refusal": decision.refusals.get(name) or _unseen(member, reasons),
            }
            for name, member in by_name.items()
        },
        "poolers": {
            name: {"refusal": " ".join(unsupported(name, facts)) if facts else _unseen(Member(name, None), reasons)}
            for name, facts in (cluster.get("poolers") or {}).items()
        },
        "read_hosts": [name for name in by_name if decision.tasks[name] in SERVING],
        "joining": _turns(decision, wanted),
        "keeper": _keeper(members),
        "refusals": decision.cluster,
    }


def _turns(decision: Decision, wanted: wishes.Wishes) -> list[list[str]]:
    """Who gets the cluster's data when: after whom it is to copy from."""
    waiting = [name for name, task in decision.tasks.items() if task in JOINING]
    turns = []
    while waiting:
        turn = [name for name in waiting if wanted.upstreams.get(name) not in waiting] or waiting
        turns.append(turn)
        waiting = [name for name in waiting if name not in turn]
    return turns


def _unseen(member: Member, reasons: Mapping[str, str]) -> str | None:
    if member.reachable:
        return None
    why = f" ({reasons[member.name]})" if member.name in reasons else ""
    return f"{member.name} could not be looked at{why}, so nothing is known of it: see to the host and the way to it."
