"""Clusters as they really are, of which a failover is shown only a part: what it decides holds of all of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._failover.failover import Wish, plan
from ansible_collections.runbook.postgres.plugins.module_utils._failover.snapshot import Snapshot
from tests.unit.plugins.module_utils._cluster.nodes import bare, fork, stopped
from tests.unit.plugins.module_utils._failover.clusters import primary, seen, standby, streaming

# The cluster lives on the second timeline; the other ways to have come there, or elsewhere, are dead.
TIMELINE, HISTORY, FORK = 2, fork(1, "0/300"), 0x300
DEAD: tuple[tuple[int, Any, int], ...] = (
    (3, [*HISTORY, *fork(2, "0/400")], 0x400),
    (2, fork(1, "0/200"), 0x200),
    (1, [], FORK),
)
POSITIONS = st.sampled_from([0x300, 0x400, 0x500, 0x580, 0x600])
OF_DATA = {"loss_unknown", "data_loss", "confirming_standby_unseen", "lag_over_limit"}


@dataclass(frozen=True)
class World:
    """What is true, and what is seen of it."""

    old: str
    end: int
    # How much of the old primary's WAL each of the others has.
    has: dict[str, int]
    dead: frozenset[str]
    required: int
    confirm: frozenset[str]
    nodes: dict[str, Any]
    stopped_in_order: bool

    @property
    def acknowledged(self) -> int:
        """Up to where enough of those whose word counts have confirmed; without any nobody was told less."""
        if not self.required:
            return self.end
        confirmed = sorted((self.has[name] for name in self.confirm if name in self.has), reverse=True)
        return confirmed[self.required - 1] if len(confirmed) >= self.required else 0

    @property
    def snapshot(self) -> Snapshot:
        return seen(self.nodes)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    names = draw(st.lists(st.sampled_from("abcde"), min_size=2, max_size=5, unique=True))
    old, *others = names
    end = draw(POSITIONS)
    some = st.lists(st.sampled_from([*names, "stranger"]), min_size=1, unique=True)
    confirm = frozenset(draw(st.just(names) | some))
    required = draw(st.integers(0, 2))
    setting = f"ANY {required} ({', '.join(sorted(confirm))})" if required else ""
    dead: set[str] = set()
    has: dict[str, int] = {}
    nodes: dict[str, Any] = {}
    for name in others:
        branch = draw(st.sampled_from([*[None] * 12, *DEAD]))
        if branch is not None:
            dead.add(name)
        # What is on a dead branch left the living one at the latest where they parted.
        has[name] = min(draw(POSITIONS), end, branch[2] if branch else end)
        nodes[name] = _other(draw, has[name], branch, {"synchronous_standby_names": setting})
        if nodes[name] is not None and nodes[name]["instance"]["state"] == "absent":
            has[name] = 0
    nodes[old], stopped_in_order = _old(draw, end)
    order = draw(st.permutations(names))
    return World(
        old, end, has, frozenset(dead), required, confirm, {name: nodes[name] for name in order}, stopped_in_order
    )


def _old(draw: st.DrawFn, end: int) -> tuple[Any, bool]:
    kind = draw(st.sampled_from([*["unseen", "in order", "crashed"] * 3, "alive"]))
    lsn = f"0/{end if kind != 'crashed' else min(end, draw(POSITIONS)):X}"
    if kind == "alive":
        return primary(timeline=TIMELINE, lsn=lsn, history=HISTORY), False
    state = "shut down" if kind == "in order" else "in production"
    known = stopped(timeline=TIMELINE, lsn=lsn, history=HISTORY, control_state=state)
    return (None if kind == "unseen" else known), kind == "in order"


def _other(draw: st.DrawFn, has: int, branch: tuple[int, Any, int] | None, settings: dict[str, Any]) -> Any:
    kind = draw(st.sampled_from([*["there"] * 12, "streaming", "unsure", "stopped", "unseen", "unseen", "bare"]))
    timeline, history, _parted = branch or (TIMELINE, HISTORY, 0)
    # A dead branch goes on by itself, and may look the most advanced.
    lsn = f"0/{draw(POSITIONS) + 0x1000 if branch else has:X}"
    less = f"0/{min(has, draw(POSITIONS)):X}"
    known: dict[str, Any] = {"timeline": timeline, "history": history}
    if kind == "unsure":
        return standby(lsn, **known, receive_lsn=None, replay_lsn=less, awaits_wal=False, settings=settings)
    if kind == "stopped":
        return stopped("standby", lsn=less, control_state="shut down in recovery", **known)
    if kind in ("there", "streaming"):
        paused = draw(st.integers(0, 7)) == 0
        return (standby if kind == "there" else streaming)(lsn, **known, replay_paused=paused, settings=settings)
    return bare() if kind == "bare" else None


WISHES = st.builds(
    Wish,
    st.sampled_from([*[None] * 9, "a", "b"]),
    st.sampled_from([None, TIMELINE, TIMELINE]),
    fenced=st.just(frozenset("abcde")) | st.frozensets(st.sampled_from("abcde")),
    promoting=st.booleans(),
    max_lag_bytes=st.sampled_from([2**40, 2**40, 2**40, 0x100, 0]),
    allow_data_loss=st.booleans(),
    without_synchronous=st.booleans(),
    force=st.booleans(),
)


def promoted(decision: Any) -> list[str]:
    return [each.node for each in decision.steps if each.step == "promote"]


@given(worlds(), WISHES)
def test_never_two_primaries(world: World, wish: Wish) -> None:
    snapshot = world.snapshot
    decision = plan(snapshot, wish)
    names = promoted(decision)
    assert len(names) <= 1
    if not names or decision.refusals:
        assert decision.result()["steps"] == [] or not names
        return
    assert names == [decision.candidate]
    assert not snapshot.primaries
    # The old primary was seen to be stopped or not at all; it is fenced by now, or is before anybody is promoted.
    fences = [each.node for each in decision.steps if each.step == "fence"]
    assert world.old in {*fences, *wish.fenced}
    order = [each.step for each in decision.steps]
    assert "fence" not in order[order.index("promote") :]
    assert not (wish.promoting and fences)


@given(worlds(), WISHES)
def test_never_a_dead_branch(world: World, wish: Wish) -> None:
    # Of members that are all on dead branches none can tell that there was another.
    living = [each for each in world.snapshot.nodes if each.branch is not None and each.name not in world.dead]
    assume(living or wish.timeline)
    assume(living or not any(each.branch and each.branch.timeline == TIMELINE for each in world.snapshot.nodes))
    assert not set(promoted(plan(world.snapshot, wish))) & world.dead


@given(worlds(), WISHES)
def test_never_one_that_lacks_what_was_acknowledged(world: World, wish: Wish) -> None:
    living = [each for each in world.snapshot.nodes if each.branch is not None and each.name not in world.dead]
    assume(living)
    wish = replace(wish, allow_data_loss=False)
    for name in promoted(plan(world.snapshot, wish)):
        assert world.has[name] >= world.acknowledged
        # Without standbys that confirm, only the order in which the primary stopped can tell.
        assert world.required or world.stopped_in_order


@given(worlds(), WISHES)
def test_a_loss_that_is_told_is_not_exceeded(world: World, wish: Wish) -> None:
    living = [each for each in world.snapshot.nodes if each.branch is not None and each.name not in world.dead]
    assume(living)
    decision = plan(world.snapshot, wish)
    for name in promoted(decision):
        if decision.loss_bytes is not None:
            assert world.acknowledged - world.has[name] <= decision.loss_bytes <= wish.max_lag_bytes


@given(worlds(), WISHES)
def test_force_accepts_no_loss(world: World, wish: Wish) -> None:
    off, on = (plan(world.snapshot, replace(wish, force=to, allow_data_loss=False)) for to in (False, True))
    codes = [{each.code for each in decision.refusals} & OF_DATA for decision in (off, on)]
    assert codes[0] == codes[1]
