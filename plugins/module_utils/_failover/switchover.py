# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A planned move of the primary while everybody is there: to whom, in which steps, or why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._failover import candidate, checks
from ansible_collections.runbook.postgres.plugins.module_utils._failover.decision import Decision, Refusal, Step
from ansible_collections.runbook.postgres.plugins.module_utils._failover.snapshot import Node, Pooler, Snapshot
from ansible_collections.runbook.postgres.plugins.module_utils._history import position
from ansible_collections.runbook.postgres.plugins.module_utils._synchronous import confirmers, required_standbys


@dataclass(frozen=True)
class Wish:
    """To whom, None for the best; how far behind it may be when the clients are made to wait."""

    to: str | None = None
    max_lag_bytes: int = 16 * 1024 * 1024
    # Go on without members and poolers that could not be looked at.
    force: bool = False


def plan(seen: Snapshot, wish: Wish) -> Decision:
    primary = seen.primary
    refusals = [*_cluster(seen, wish)]
    if primary is None or refusals:
        return Decision(primary=primary.name if primary else None, refusals=tuple(refusals))
    if wish.to == primary.name:
        return Decision(primary.name, primary.name, evidence=(f"{primary.name} is the primary already.",))
    if seen.keeper is not None:
        refusals = list(seen.keeper.stands(primary.name, primary.member))
        if refusals:
            return _refused(primary, refusals)
    chosen = seen.node(wish.to)
    if chosen is not None:
        found = list(_against(chosen, primary, seen, wish))
        return _decided(chosen, primary, seen) if not found else _refused(primary, found)
    return _best(primary, seen, wish)


def _cluster(seen: Snapshot, wish: Wish) -> Iterator[Refusal]:
    if wish.to is not None and seen.node(wish.to) is None:
        yield Refusal("candidate_unknown", f"{wish.to} is no member of the cluster: choose of {seen.names}.")
    yield from checks.one_cluster(seen)
    yield from checks.at_most_one_primary(seen)
    if not seen.primaries:
        then = (
            "if the primary is gone for good, fail over."
            if seen.keeper is None
            else f"{seen.keeper.name} makes one by itself, and patronictl list tells what it waits for."
        )
        yield Refusal(
            "no_primary", f"None of {seen.names} takes writes, so there is nobody to switch over from: {then}"
        )
    yield from checks.nobody_competes(seen)
    yield from checks.everybody_tells(seen)
    if len(seen.primaries) == 1:
        yield from checks.as_decided(seen)
    if not wish.force:
        yield from _unseen(seen)


def _unseen(seen: Snapshot) -> Iterator[Refusal]:
    for each in seen.nodes:
        if not each.seen:
            yield Refusal(
                "member_unseen",
                f"{each.name} could not be looked at, and may be more than a standby that is down "
                f"({_reason(each.reason)}): bring it back, take it out of postgres_hosts, or force the switchover.",
                each.name,
            )
    for pooler in seen.poolers:
        if pooler.reason:
            yield Refusal(
                "pooler_unseen",
                f"Pooler {pooler.name} cannot be made to wait and would lead its clients to the old primary "
                f"({_reason(pooler.reason)}): bring it back, take it out of postgres_poolers, or force the switchover.",
                pooler.name,
            )


def _left_out(seen: Snapshot) -> Iterator[Node | Pooler]:
    yield from (each for each in seen.nodes if not each.seen)
    yield from (each for each in seen.poolers if each.reason)


def _reason(sentence: str) -> str:
    return sentence.strip().rstrip(".") or "no reason was given"


def _best(primary: Node, seen: Snapshot, wish: Wish) -> Decision:
    """The most advanced of those that nothing stands against."""
    others = [each for each in seen.nodes if each.name != primary.name]
    against = {each.name: list(_against(each, primary, seen, wish)) for each in others}
    fit = sorted((each for each in others if not against[each.name]), key=lambda each: _rank(each, primary, seen))
    if fit:
        passed = [refusal.sentence for each in others for refusal in against[each.name]]
        return _decided(fit[0], primary, seen, passed)
    none = Refusal("no_candidate", f"No member can take over from {primary.name}: have a standby stream from it first.")
    return _refused(primary, [each for found in against.values() for each in found] or [none])


def _rank(node: Node, primary: Node, seen: Snapshot) -> tuple[Any, ...]:
    """Those that confirm commits first: they are never far behind."""
    named = confirmers(str(primary.setting("synchronous_standby_names") or ""))
    by_keeper = () if seen.keeper is None else seen.keeper.rank(node.member)
    return (*by_keeper, node.member not in named, -node.reach, node.name)


def _against(node: Node, primary: Node, seen: Snapshot, wish: Wish) -> Iterator[Refusal]:
    unfit = list(candidate.fit(node, seen))
    yield from unfit
    if node.standby:
        yield from _follows(node, primary, wish)
        if seen.keeper is not None:
            yield from seen.keeper.against(node.name, node.member)


def _follows(node: Node, primary: Node, wish: Wish) -> Iterator[Refusal]:
    own, other = node.branch, primary.branch
    # A standby is asked a moment earlier or later, so that being ahead says nothing.
    why = own.parting(other, ahead_counts=False) if own and other else "how far it got is not known"
    if why is not None:
        yield Refusal(
            "dead_branch", f"{node.name} went another way than {primary.name}: {why}; clone it again.", node.name
        )
    elif node.upstream is None or node.member not in (primary.told("streaming") or ()):
        yield Refusal(
            "not_streaming",
            f"{node.name} does not stream from {primary.name}, so that it cannot get the last of what is written "
            "there: see why in its log, or choose one of those that do.",
            node.name,
        )
    elif _lag(node, primary) > wish.max_lag_bytes:
        yield Refusal(
            "lag_over_limit",
            f"{node.name} is {_lag(node, primary)} bytes behind {primary.name} and {wish.max_lag_bytes} are allowed: "
            "clients would wait while it catches up; try again when it has, or raise the limit.",
            node.name,
        )


def _lag(node: Node, primary: Node) -> int:
    """What it has yet to replay counts as well: it is replayed before anybody writes."""
    replayed = position(str(node.told("replay_lsn") or "0/0"))
    return max(primary.reach - replayed, 0)


def _refused(primary: Node, refusals: list[Refusal]) -> Decision:
    return Decision(primary=primary.name, refusals=tuple(refusals))


def _decided(chosen: Node, primary: Node, seen: Snapshot, passed: list[str] | None = None) -> Decision:
    siblings = [each for each in seen.nodes if each.standby and each.name != chosen.name]
    poolers = [each.name for each in seen.poolers if not each.reason]
    names = str(chosen.setting("synchronous_standby_names") or "")
    left = [each for each in siblings if confirmers(names).intersection((each.member, "*"))]
    waits = len(left) < required_standbys(names)
    evidence = [
        f"{primary.name} is the primary on timeline {primary.told('timeline')} at {primary.told('current_lsn')}.",
        f"{chosen.name} streams from it and is {_lag(chosen, primary)} bytes behind.",
        *([f"{seen.keeper.name} keeps the cluster and names {primary.name} as its leader."] if seen.keeper else []),
        *(passed or ()),
        *(f"{each.name} could not be looked at and is left as it is." for each in _left_out(seen)),
    ]
    if waits:
        evidence.append(f"Commits on {chosen.name} wait for standbys until {primary.name} follows it.")
    steps = _steps(chosen, primary, siblings, poolers)
    if seen.keeper is not None:
        steps = _steps_through(seen.keeper.name, chosen, primary, poolers)
    return Decision(
        chosen.name,
        primary.name,
        tuple(each.name for each in siblings),
        tuple(poolers),
        steps=tuple(steps),
        evidence=tuple(evidence),
        commits_wait=waits,
    )


def _steps(chosen: Node, primary: Node, siblings: list[Node], poolers: list[str]) -> Iterator[Step]:
    yield Step("checkpoint", primary.name, f"make a checkpoint on {primary.name}, so that it stops quickly")
    for name in poolers:
        yield Step("pause", name, f"have the clients of {name} wait")
    yield Step("stop", primary.name, f"stop {primary.name} cleanly, and keep it from starting by itself")
    yield Step("prove", chosen.name, f"see on {chosen.name} that it has the last record of {primary.name}")
    yield Step("promote", chosen.name, f"promote {chosen.name}")
    for name in poolers:
        yield Step("repoint", name, f"lead {name} to {chosen.name} and let its clients go on")
    yield Step("rejoin", primary.name, f"start {primary.name} as a standby of {chosen.name}")
    for each in siblings:
        yield Step("follow", each.name, f"have {each.name} follow {chosen.name}")
    yield Step("verify", chosen.name, f"see that {chosen.name} alone takes writes and all others stream")


def _steps_through(keeper: str, chosen: Node, primary: Node, poolers: list[str]) -> Iterator[Step]:
    """It stops, promotes and has all others follow by itself; clients wait for it as they would for us."""
    yield Step("checkpoint", primary.name, f"make a checkpoint on {primary.name}, so that it stops quickly")
    for name in poolers:
        yield Step("pause", name, f"have the clients of {name} wait")
    yield Step("ask", primary.name, f"ask {keeper} on {primary.name} to have {chosen.name} take over")
    for name in poolers:
        yield Step("repoint", name, f"lead {name} to {chosen.name} and let its clients go on")
    yield Step("verify", chosen.name, f"see that {chosen.name} takes writes and {primary.name} streams from it")
