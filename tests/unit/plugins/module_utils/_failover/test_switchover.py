"""To whom a primary is switched over, as a table; and what holds whatever is found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._failover.switchover import Wish, plan
from tests.unit.plugins.module_utils._cluster.nodes import OTHER, bare, fork, silent, stopped
from tests.unit.plugins.module_utils._failover.clusters import primary, seen, standby, streaming, with_machine

Nodes = dict[str, Any]

ANY_ONE = {"synchronous_standby_names": 'ANY 1 ("a", "b", "c")'}
AHEAD = streaming("0/5000100")
FULL = with_machine(streaming(), wal_free_bytes=1024)
PAUSED = streaming(replay_paused=True)
LATE = streaming(settings={"recovery_min_apply_delay": 3600000})
FAR_BEHIND = streaming(replay_lsn="0/1000000")
FORK = fork(1, "0/4000000")
BEYOND = streaming("0/4000000", 2, history=fork(1, "0/3000000"))
SLOTLESS = streaming(settings={"max_replication_slots": 1}, slots=[{"name": "x", "active": False, "reserved": True}])

CANDIDATES: list[tuple[str, Nodes, Wish, str]] = [
    ("the one there is", {"a": primary("b"), "b": streaming()}, Wish(), "b"),
    ("the most advanced", {"a": primary("b", "c"), "b": streaming(), "c": AHEAD}, Wish(), "c"),
    ("of equals the first by name", {"a": primary("c", "b"), "c": streaming(), "b": streaming()}, Wish(), "b"),
    ("the one that is named", {"a": primary("b", "c"), "b": streaming(), "c": AHEAD}, Wish("b"), "b"),
    (
        "one that confirms commits",
        {"a": primary("b", "d", settings=ANY_ONE), "b": streaming(), "d": AHEAD},
        Wish(),
        "b",
    ),
    ("not a paused one", {"a": primary("b", "c"), "b": PAUSED, "c": streaming()}, Wish(), "c"),
    ("not one without room", {"a": primary("b", "c"), "b": FULL, "c": streaming()}, Wish(), "c"),
    ("not one that streams from another", {"a": primary("c"), "b": streaming(), "c": streaming()}, Wish(), "c"),
    ("beside one without data", {"a": primary("b"), "b": streaming(), "c": bare()}, Wish(), "b"),
    ("beside one out of reach", {"a": primary("b"), "b": streaming(), "c": None}, Wish(force=True), "b"),
    ("the primary itself", {"a": primary("b"), "b": streaming()}, Wish("a"), "a"),
    ("a lag that is allowed", {"a": primary("b"), "b": FAR_BEHIND}, Wish(max_lag_bytes=2**30), "b"),
]

REFUSALS: list[tuple[str, Nodes, Wish, str]] = [
    ("a name that nobody has", {"a": primary("b"), "b": streaming()}, Wish("z"), "candidate_unknown"),
    ("nobody takes writes", {"a": standby(), "b": standby()}, Wish(), "no_primary"),
    ("two take writes", {"a": primary(), "b": primary()}, Wish(), "two_primaries"),
    ("two clusters", {"a": primary("b"), "b": streaming(system_identifier=OTHER)}, Wish(), "system_identifiers_differ"),
    ("one that hangs", {"a": primary("b"), "b": streaming(), "c": silent()}, Wish(force=True), "member_silent"),
    ("one out of reach", {"a": primary("b"), "b": streaming(), "c": None}, Wish(), "member_unseen"),
    ("it is out of reach", {"a": primary("b"), "b": None}, Wish("b", force=True), "candidate_unseen"),
    ("it is stopped", {"a": primary(), "b": stopped("standby")}, Wish("b"), "candidate_no_standby"),
    ("it has no data", {"a": primary(), "b": bare()}, Wish("b"), "candidate_no_standby"),
    ("Patroni", {"a": with_machine(primary("b"), promoters=["Patroni"]), "b": streaming()}, Wish(), "promoter_runs"),
    ("replay is paused", {"a": primary("b"), "b": PAUSED}, Wish("b"), "replay_paused"),
    ("replay is delayed", {"a": primary("b"), "b": LATE}, Wish("b"), "apply_delay"),
    ("no slot is left", {"a": primary("b"), "b": SLOTLESS}, Wish("b"), "no_free_slots"),
    ("no sender is", {"a": primary("b"), "b": streaming(settings={"max_wal_senders": 0})}, Wish(), "no_free_senders"),
    ("no room is", {"a": primary("b"), "b": FULL}, Wish("b"), "no_room"),
    ("it was promoted since", {"a": primary("b"), "b": BEYOND}, Wish("b"), "topology_refused"),
    ("it went another way", {"a": primary("b", timeline=2, history=FORK), "b": BEYOND}, Wish("b"), "dead_branch"),
    ("it streams from nobody", {"a": primary("b"), "b": standby()}, Wish("b"), "not_streaming"),
    ("it streams from another", {"a": primary(), "b": streaming()}, Wish("b"), "not_streaming"),
    ("it is far behind", {"a": primary("b"), "b": FAR_BEHIND}, Wish("b"), "lag_over_limit"),
    ("nobody is there to take over", {"a": primary()}, Wish(), "no_candidate"),
    ("of several none can", {"a": primary("b", "c"), "b": PAUSED, "c": LATE}, Wish(), "replay_paused apply_delay"),
]


@pytest.mark.parametrize(
    ("nodes", "wish", "expected"), [each[1:] for each in CANDIDATES], ids=[c[0] for c in CANDIDATES]
)
def test_who_takes_over(nodes: Nodes, wish: Wish, expected: str) -> None:
    decision = plan(seen(nodes), wish)
    assert not decision.refusals
    assert (decision.primary, decision.candidate) == ("a", expected)
    assert [each.node for each in decision.steps if each.step == "promote"] == ([] if expected == "a" else [expected])


@pytest.mark.parametrize(("nodes", "wish", "codes"), [each[1:] for each in REFUSALS], ids=[c[0] for c in REFUSALS])
def test_what_stands_against_it(nodes: Nodes, wish: Wish, codes: str) -> None:
    decision = plan(seen(nodes), wish)
    assert [each.code for each in decision.refusals] == codes.split()
    assert decision.candidate is None
    assert decision.result()["steps"] == []
    for refusal in decision.refusals:
        assert refusal.sentence.endswith(".")
        assert "\n" not in refusal.sentence


def test_every_pooler_waits_before_the_stop_and_goes_on_after_the_promotion() -> None:
    nodes = {"a": primary("b", "c"), "b": streaming(), "c": streaming()}
    decision = plan(seen(nodes, {"p": bare(), "q": bare()}), Wish("b"))
    assert [(each.step, each.node) for each in decision.steps] == [
        ("checkpoint", "a"),
        ("pause", "p"),
        ("pause", "q"),
        ("stop", "a"),
        ("prove", "b"),
        ("promote", "b"),
        ("repoint", "p"),
        ("repoint", "q"),
        ("rejoin", "a"),
        ("follow", "c"),
        ("verify", "b"),
    ]
    assert (decision.siblings, decision.poolers) == (("c",), ("p", "q"))


def test_a_pooler_out_of_reach_stands_against_it_unless_it_is_forced() -> None:
    found = seen({"a": primary("b"), "b": streaming()}, {"p": None}, reasons={"p": "No route to host"})
    refused = plan(found, Wish())
    assert [(each.code, each.node) for each in refused.refusals] == [("pooler_unseen", "p")]
    assert "No route to host" in refused.refusals[0].sentence
    forced = plan(found, Wish(force=True))
    assert forced.candidate == "b"
    assert forced.poolers == ()
    assert "p could not be looked at and is left as it is." in forced.evidence


@pytest.mark.parametrize(
    ("names", "others", "waits"),
    [
        ("", (), False),
        ('ANY 1 ("a", "b", "c")', (), True),
        ('ANY 1 ("a", "b", "c")', ("c",), False),
        ('ANY 1 ("a", "b")', ("c",), True),
        ("FIRST 2 (*)", ("c",), True),
        ("*", ("c",), False),
    ],
)
def test_who_confirms_commits_afterwards(names: str, others: tuple[str, ...], waits: bool) -> None:
    settings = {"synchronous_standby_names": names}
    members = {name: streaming(settings=settings) for name in ("b", *others)}
    decision = plan(seen({"a": primary(*members, settings=settings), **members}), Wish("b"))
    assert decision.commits_wait is waits


LSNS = st.sampled_from(["0/1000000", "0/3000000", "0/4FFFFFF", "0/5000000", "0/5000100"])
HISTORIES = st.sampled_from([[], fork(1, "0/3000000"), fork(1, "0/4000000")])


@st.composite
def found_nodes(draw: st.DrawFn) -> Nodes:
    names = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5, unique=True))
    kinds = {
        name: draw(st.sampled_from(["primary", "streaming", "standby", "stopped", "bare", "unseen"])) for name in names
    }
    streams = [name for name, kind in kinds.items() if kind == "streaming" and draw(st.integers(0, 4))]
    return {name: _node(draw, kind, streams) for name, kind in kinds.items()}


def _node(draw: st.DrawFn, kind: str, streams: list[str]) -> Any:
    timeline, lsn = draw(st.integers(1, 3)), draw(LSNS)
    instance: dict[str, Any] = {"history": draw(HISTORIES), "replay_paused": draw(st.booleans())}
    if kind == "primary":
        return primary(*streams, timeline=timeline, lsn=lsn, history=instance["history"])
    if kind in ("streaming", "standby"):
        return (streaming if kind == "streaming" else standby)(lsn, timeline, **instance)
    return stopped(timeline=timeline, lsn=lsn) if kind == "stopped" else bare() if kind == "bare" else None


@given(found_nodes(), st.sampled_from([None, *"abcdef"]), st.booleans(), st.sampled_from([0, 2**40]))
def test_whatever_is_found_there_is_one_primary_and_it_has_everything(
    nodes: Nodes, to: str | None, force: bool, max_lag_bytes: int
) -> None:
    snapshot = seen(nodes)
    decision = plan(snapshot, Wish(to, max_lag_bytes, force))
    promotes = [each.node for each in decision.steps if each.step == "promote"]
    stops = [each.node for each in decision.steps if each.step == "stop"]
    assert bool(decision.refusals) == (decision.candidate is None)
    if decision.refusals:
        assert decision.result()["steps"] == []
        return
    # Who takes writes afterwards: those that did and were not stopped, and those that were promoted.
    assert [each.name for each in snapshot.primaries if each.name not in stops] + promotes == [decision.candidate]
    assert to in (None, decision.candidate)
    for name in promotes:
        order = [each.step for each in decision.steps]
        assert order.index("stop") < order.index("prove") < order.index("promote")
        node, old = snapshot.node(name), snapshot.node(decision.primary)
        assert node is not None
        assert old is not None
        assert (node.upstream is None, node.told("replay_paused")) == (False, False)
        assert node.branch is not None
        assert old.branch is not None
        assert node.branch.parting(old.branch, ahead_counts=False) is None
    if not force:
        assert all(each.seen for each in snapshot.nodes)
