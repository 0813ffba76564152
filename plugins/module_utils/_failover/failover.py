# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The primary is gone: who takes over, who is fenced before, in which steps, or why nobody does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ansible_collections.runbook.postgres.plugins.module_utils._failover import (
    ancestry,
    candidate,
    checks,
    confirming,
    ranking,
    suspects,
)
from ansible_collections.runbook.postgres.plugins.module_utils._failover.decision import (
    Decision,
    Refusal,
    Step,
    several,
)
from ansible_collections.runbook.postgres.plugins.module_utils._failover.snapshot import Node, Snapshot


@dataclass(frozen=True)
class Wish:
    """What is known beside what was seen, and what is accepted; no switch implies another."""

    to: str | None = None
    timeline: int | None = None
    # As the inventory wants it of commits; None where it says nothing.
    synchronous: str | None = None
    witnesses: suspects.Witnesses = field(default_factory=dict)
    # Of whom it is proven that they take no writes, and will not.
    fenced: frozenset[str] = frozenset()
    # Nobody is to be fenced any more: what lacks its proof is refused.
    promoting: bool = False
    max_lag_bytes: int = 16 * 1024 * 1024
    allow_data_loss: bool = False
    # Commits wait for no standby for as long as too few are there.
    without_synchronous: bool = False
    # Little room and few slots, which lose nothing.
    force: bool = False


def plan(seen: Snapshot, wish: Wish) -> Decision:
    primary = seen.primary
    if primary is not None:
        return _goes_on(primary, seen, wish)
    old = _old(seen)
    fence = tuple(each.name for each in suspects.suspects(seen) if each.name not in wish.fenced)
    refusals = tuple(_cluster(seen, wish))
    timeline = ancestry.last_timeline(seen, wish.timeline)
    if refusals or timeline is None:
        none = Refusal("no_candidate", "No member has data that could be promoted: restore the cluster from a backup.")
        return Decision(primary=old, fence=fence, refusals=refusals or (none,), loss_bytes=None)
    refusals = tuple(ancestry.has_one_history(seen, timeline))
    chosen, against = _best(seen, wish, timeline)
    if chosen is None or refusals:
        return Decision(primary=old, fence=fence, refusals=(*refusals, *against), loss_bytes=None)
    return _decided(chosen, seen, wish, timeline)


def _old(seen: Snapshot) -> str | None:
    """The old primary, where it can only be one."""
    found = suspects.suspects(seen)
    return found[0].name if len(found) == 1 else None


def _cluster(seen: Snapshot, wish: Wish) -> Iterator[Refusal]:
    if wish.to is not None and seen.node(wish.to) is None:
        yield Refusal("candidate_unknown", f"{wish.to} is no member of the cluster: choose of {seen.names}.")
    yield from checks.one_cluster(seen)
    yield from checks.nobody_competes(seen)
    if seen.primaries:
        yield from checks.at_most_one_primary(seen)
        return
    yield from suspects.nobody_is_foreign(seen)
    yield from suspects.somebody_was_primary(seen)
    yield from suspects.nobody_streams(seen, wish.fenced)
    yield from suspects.enough_say_so(seen, wish.witnesses, wish.fenced)
    yield from ancestry.is_known(seen, wish.timeline)
    if wish.promoting:
        yield from suspects.all_are_fenced(seen, wish.fenced)


def _goes_on(primary: Node, seen: Snapshot, wish: Wish) -> Decision:
    """Somebody takes writes: nobody is promoted, and what a run that was killed left open is done."""
    refusals = [
        *checks.one_cluster(seen),
        *checks.nobody_competes(seen),
        *(Refusal("topology_refused", sentence) for sentence in seen.refusals),
    ]
    if wish.to not in (None, primary.name):
        refusals.append(
            Refusal(
                "primary_runs",
                f"{primary.name} takes writes, so that there is nothing to fail over from: switch over to {wish.to}.",
                primary.name,
            )
        )
    if refusals:
        return Decision(primary=primary.name, refusals=tuple(refusals))
    siblings, poolers = _followers(primary, seen)
    waits = confirming.short(primary, siblings)
    takes_writes = f"{primary.name} takes writes on timeline {primary.told('timeline')}; nobody is promoted."
    return Decision(
        primary.name,
        primary.name,
        tuple(each.name for each in siblings),
        tuple(poolers),
        steps=tuple(_after(primary, siblings, poolers, until=waits if wish.without_synchronous else "")),
        evidence=(takes_writes, *confirming.told(primary, waits, accepted=wish.without_synchronous)),
        commits_wait=bool(waits) and not wish.without_synchronous,
    )


def _best(seen: Snapshot, wish: Wish, timeline: int) -> tuple[Node | None, list[Refusal]]:
    """The most advanced of those that nothing stands against, or what stands against each."""
    asked = [each for each in seen.nodes if wish.to in (None, each.name) and (wish.to or each.standby)]
    against = {each.name: list(_against(each, seen, wish, timeline)) for each in asked}
    fit = sorted((each for each in asked if not against[each.name]), key=lambda each: (-each.reach, each.name))
    if fit:
        return fit[0], []
    none = Refusal(
        "no_candidate", f"None of {seen.names} is a standby that runs: start one that has the cluster's data."
    )
    return None, [refusal for found in against.values() for refusal in found] or [none]


def _against(node: Node, seen: Snapshot, wish: Wish, timeline: int) -> Iterator[Refusal]:
    unfit = list(candidate.is_standby(node))
    yield from unfit
    if unfit:
        return
    yield from candidate.replays(node)
    if not wish.force:
        yield from candidate.has_room(node, seen)
    astray = list(ancestry.is_on(node, timeline))
    yield from astray
    if not astray:
        found = ranking.loss(node, seen, timeline, wish.synchronous)
        yield from ranking.is_bearable(node, found, wish.max_lag_bytes, allow_data_loss=wish.allow_data_loss)
        if not wish.without_synchronous:
            yield from confirming.are_there(node, _siblings(node, seen, timeline))


def _decided(chosen: Node, seen: Snapshot, wish: Wish, timeline: int) -> Decision:
    siblings, poolers = _followers(chosen, seen)
    fence = [each.name for each in suspects.suspects(seen) if each.name not in wish.fenced]
    waits = confirming.short(chosen, _siblings(chosen, seen, timeline))
    return Decision(
        chosen.name,
        _old(seen),
        tuple(each.name for each in siblings),
        tuple(poolers),
        tuple(fence),
        (*_before(chosen, fence, poolers, _old(seen)), *_after(chosen, siblings, poolers, until=waits)),
        evidence=(*_evidence(chosen, seen, wish, timeline), *confirming.told(chosen, waits, accepted=True)),
        loss_bytes=ranking.loss(chosen, seen, timeline, wish.synchronous).known,
        reached=chosen.branch.lsn if chosen.branch else None,
    )


def _followers(chosen: Node, seen: Snapshot) -> tuple[list[Node], list[str]]:
    siblings = [each for each in seen.nodes if each.standby and each.name != chosen.name]
    return siblings, [each.name for each in seen.poolers if not each.reason]


def _siblings(chosen: Node, seen: Snapshot, timeline: int) -> list[Node]:
    """Those that can follow it as they are."""
    return [each for each in _followers(chosen, seen)[0] if ancestry.on(each, timeline)]


def _before(chosen: Node, fence: list[str], poolers: list[str], old: str | None) -> Iterator[Step]:
    for name in fence:
        yield Step("fence", name, f"keep {name} from taking writes and from starting by itself, and read that back")
    for name in poolers:
        yield Step("pause", name, f"have the clients of {name} wait")
    away = old or "the old primary"
    yield Step(
        "keep", chosen.name, f"have {chosen.name} keep the WAL from which {away} can come back, within its own limit"
    )
    yield Step("promote", chosen.name, f"promote {chosen.name}")


def _after(chosen: Node, siblings: list[Node], poolers: list[str], *, until: str = "") -> Iterator[Step]:
    if until:
        yield Step("synchronous", chosen.name, f"have commits on {chosen.name} wait for no standby, {until}")
    for name in poolers:
        yield Step("repoint", name, f"lead {name} to {chosen.name} and let its clients go on")
    for each in siblings:
        yield Step("follow", each.name, f"have {each.name} follow {chosen.name}")
    yield Step(
        "verify", chosen.name, f"see that {chosen.name} alone takes writes, archives, and that all others stream"
    )


def _evidence(chosen: Node, seen: Snapshot, wish: Wish, timeline: int) -> Iterator[str]:
    for each in suspects.suspects(seen):
        said = several(suspects.vantage_points(each, seen, wish.witnesses))
        proof = "its fence is proven" if each.name in wish.fenced else "it has to be fenced"
        yield f"{each.name} may be the old primary; {said} says that it is gone, and {proof}."
    for each in seen.nodes:
        if each.branch is not None:
            yield f"{each.name} has {each.branch}."
    found = ranking.loss(chosen, seen, timeline, wish.synchronous)
    if found.known is None:
        yield f"{chosen.name} lacks at least {found.least} bytes, and nobody knows how many in all."
    else:
        yield f"{chosen.name} lacks {found.known} bytes, because {found.because}."
    for pooler in seen.poolers:
        if pooler.reason:
            yield f"{pooler.name} could not be looked at and is left as it is."
