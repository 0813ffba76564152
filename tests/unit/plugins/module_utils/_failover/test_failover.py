"""Who takes over when the primary is gone, as tables of what speaks for it and against."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._failover.failover import Wish, plan
from tests.unit.plugins.module_utils._cluster.nodes import OTHER, bare, foreign, fork, node, silent, stopped
from tests.unit.plugins.module_utils._failover.clusters import primary, seen, standby, streaming, with_machine

Nodes = dict[str, Any]

LOSSY = Wish(allow_data_loss=True)
# Nobody is left for whom commits could wait.
ALONE = Wish(without_synchronous=True)
CONFIRMED: Nodes = {"settings": {"synchronous_standby_names": 'ANY 1 ("a", "b", "c")'}}
BOTH: Nodes = {"settings": {"synchronous_standby_names": 'ANY 2 ("a", "b", "c")'}}
STRANGERS: Nodes = {"settings": {"synchronous_standby_names": "x, y"}}
# Of two members alone.
PAIR = standby(settings={"synchronous_standby_names": 'ANY 1 ("a", "b")'})
SYNC = standby(**CONFIRMED)
AHEAD = standby("0/5000100")
SYNC_AHEAD = standby("0/5000100", **CONFIRMED)
FAR_AHEAD = standby("1/0")
PAUSED = standby(replay_paused=True)
LATE = standby(settings={"recovery_min_apply_delay": 60000})
FULL = with_machine(standby(), wal_free_bytes=0)
SECOND = standby(timeline=2, history=fork(1, "0/4000000"))
OTHERWISE = standby(timeline=2, history=fork(1, "0/3000000"))
# It runs and has no connection left for us.
CROWDED = node("running", role=None, timeline=1, problem="Too many clients.")
STOPPED = stopped(control_state="shut down")
CRASHED = stopped(control_state="in production")
FED = streaming(upstream={"host": "b", "port": 5432, "status": "streaming"})
MAYBE_MORE = standby(receive_lsn=None, awaits_wal=False, **CONFIRMED)

PROMOTED: list[tuple[str, Nodes, Wish, str, int | None]] = [
    ("it was the only one that confirmed commits", {"a": None, "b": PAIR}, ALONE, "b", 0),
    ("the most advanced of those", {"a": None, "b": SYNC, "c": SYNC_AHEAD}, Wish(), "c", 0),
    (
        "two of three confirm and both are there",
        {"a": None, "b": standby(**BOTH), "c": standby(**BOTH)},
        ALONE,
        "b",
        0,
    ),
    ("two of three confirm and one is there", {"a": None, "b": standby(**BOTH), "c": None}, ALONE, "b", 0),
    ("the primary stopped in order", {"a": STOPPED, "b": standby()}, Wish(), "b", 0),
    ("the primary crashed, and a loss is accepted", {"a": CRASHED, "b": standby()}, LOSSY, "b", None),
    ("nobody confirmed, and a loss is accepted", {"a": None, "b": standby(), "c": AHEAD}, LOSSY, "c", None),
    ("the one that is named", {"a": None, "b": standby(), "c": AHEAD}, replace(LOSSY, to="b"), "b", None),
    (
        "not the most advanced, which is paused",
        {"a": None, "b": standby("0/5000100", replay_paused=True), "c": standby()},
        LOSSY,
        "c",
        None,
    ),
    (
        "one fed by another standby is no sign of life",
        {"a": None, "b": standby(streaming=["c"]), "c": FED},
        LOSSY,
        "b",
        None,
    ),
    ("the timeline is named", {"a": None, "b": standby(), "c": SECOND}, replace(LOSSY, timeline=1), "b", None),
    (
        "a dead branch with a higher number is passed over",
        {"a": CRASHED, "b": AHEAD, "c": SECOND},
        replace(LOSSY, timeline=1),
        "b",
        None,
    ),
    (
        "it hangs, and its host is fenced",
        {"a": silent(), "b": streaming()},
        replace(LOSSY, fenced=frozenset("a"), promoting=True),
        "b",
        None,
    ),
    ("there is no room, and it is forced", {"a": None, "b": FULL}, replace(LOSSY, force=True), "b", None),
    ("a stopped standby is no primary", {"a": STOPPED, "b": standby(), "c": stopped("standby")}, LOSSY, "b", None),
    ("an empty host counts for nothing", {"a": STOPPED, "b": standby(), "c": bare()}, Wish(), "b", 0),
]

REFUSED: list[tuple[str, Nodes, Wish, str]] = [
    ("a name that nobody has", {"a": None, "b": PAIR}, Wish("z"), "candidate_unknown"),
    ("two take writes", {"a": primary(), "b": primary()}, LOSSY, "two_primaries"),
    (
        "two clusters",
        {"a": None, "b": standby(), "c": standby(system_identifier=OTHER)},
        LOSSY,
        "system_identifiers_differ",
    ),
    ("another takes writes", {"a": primary("b"), "b": streaming()}, Wish("b"), "primary_runs"),
    ("Patroni", {"a": None, "b": with_machine(standby(), promoters=["Patroni"])}, LOSSY, "promoter_runs"),
    (
        "something else is there",
        {"a": None, "b": standby(), "c": foreign()},
        replace(LOSSY, witnesses={"c": {"p": False}}),
        "member_foreign",
    ),
    ("a standby streams", {"a": None, "b": streaming()}, LOSSY, "still_streaming not_proven_dead"),
    (
        "a standby streams, of two",
        {"a": None, "b": standby(), "c": streaming()},
        replace(LOSSY, force=True),
        "still_streaming",
    ),
    (
        "all are standbys, of somebody else",
        {"a": streaming(**CONFIRMED), "b": streaming(**CONFIRMED)},
        Wish(),
        "primary_unlisted still_streaming still_streaming",
    ),
    ("all are standbys, of nobody", {"a": SYNC, "b": stopped("standby")}, LOSSY, "primary_unlisted"),
    (
        "it was stopped when it was looked at, and a witness reaches it",
        {"a": STOPPED, "b": standby()},
        Wish(witnesses={"a": {"pool1": True}}),
        "witness_reaches",
    ),
    ("a witness reaches it", {"a": None, "b": PAIR}, Wish(witnesses={"a": {"pool1": True}}), "witness_reaches"),
    ("nobody else looked", {"a": None, "b": stopped("standby")}, LOSSY, "not_proven_dead"),
    ("it runs and one alone lost it", {"a": CROWDED, "b": PAIR}, Wish(), "not_proven_dead"),
    ("timelines differ", {"a": None, "b": standby(), "c": SECOND}, LOSSY, "timelines_differ"),
    ("the primary is on an earlier one", {"a": STOPPED, "b": SECOND}, LOSSY, "timelines_differ"),
    ("two ways to one timeline", {"a": None, "b": SECOND, "c": OTHERWISE}, LOSSY, "histories_differ"),
    (
        "it is named and on another",
        {"a": None, "b": standby(), "c": SECOND},
        replace(LOSSY, to="c", timeline=1),
        "dead_branch",
    ),
    ("nobody confirmed", {"a": None, "b": standby()}, Wish(force=True), "loss_unknown"),
    ("the primary crashed", {"a": CRASHED, "b": standby()}, Wish(), "loss_unknown"),
    ("who confirmed may be missing", {"a": None, "b": SYNC, "c": None}, ALONE, "confirming_standby_unseen"),
    (
        "who confirmed is stopped",
        {"a": None, "b": SYNC, "c": stopped("standby")},
        replace(ALONE, force=True),
        "confirming_standby_unseen",
    ),
    (
        "who confirmed does not know what it has",
        {"a": None, "b": SYNC, "c": MAYBE_MORE},
        Wish("b"),
        "confirming_standby_unseen",
    ),
    (
        "who confirmed went another way",
        {"a": None, "b": SYNC, "c": standby(timeline=2, history=fork(1, "0/6000000"), **CONFIRMED)},
        replace(ALONE, timeline=1),
        "confirming_standby_unseen dead_branch",
    ),
    ("who confirmed is in no inventory", {"a": None, "b": standby(**STRANGERS)}, ALONE, "confirming_standby_unseen"),
    ("another has more", {"a": None, "b": SYNC, "c": SYNC_AHEAD}, Wish("b"), "data_loss"),
    ("another has much more", {"a": None, "b": standby(), "c": FAR_AHEAD}, replace(LOSSY, to="b"), "lag_over_limit"),
    (
        "the primary had more",
        {"a": stopped(lsn="0/5000100", control_state="shut down"), "b": standby()},
        Wish(),
        "data_loss",
    ),
    ("much is to be replayed", {"a": STOPPED, "b": standby(replay_lsn="0/1000000")}, Wish(), "replay_behind"),
    ("replay is paused", {"a": None, "b": PAUSED}, LOSSY, "replay_paused"),
    ("replay is late", {"a": None, "b": LATE}, LOSSY, "apply_delay"),
    ("there is no room", {"a": None, "b": FULL}, LOSSY, "no_room"),
    ("no fence is proven", {"a": None, "b": PAIR}, Wish(promoting=True), "not_fenced"),
    (
        "one of two fences is",
        {"a": None, "b": standby(), "c": None},
        replace(LOSSY, promoting=True, fenced=frozenset("a")),
        "not_fenced",
    ),
    ("nobody is left to confirm", {"a": None, "b": PAIR}, Wish(force=True), "commits_would_wait"),
    (
        "who would confirm cannot follow",
        {"a": STOPPED, "b": SYNC, "c": stopped("standby")},
        LOSSY,
        "commits_would_wait",
    ),
    ("it cannot be looked at", {"a": None, "b": PAIR}, Wish("a"), "candidate_unseen"),
    ("nobody is a standby", {"a": STOPPED, "b": bare()}, LOSSY, "no_candidate"),
    ("nobody has data", {"a": bare(), "b": bare()}, LOSSY, "no_candidate"),
]


@pytest.mark.parametrize(
    ("nodes", "wish", "expected", "lost"), [each[1:] for each in PROMOTED], ids=[each[0] for each in PROMOTED]
)
def test_who_takes_over(nodes: Nodes, wish: Wish, expected: str, lost: int | None) -> None:
    decision = plan(seen(nodes), wish)
    assert [each.code for each in decision.refusals] == []
    assert (decision.candidate, decision.loss_bytes) == (expected, lost)


@pytest.mark.parametrize(("nodes", "wish", "codes"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_what_stands_against_it(nodes: Nodes, wish: Wish, codes: str) -> None:
    decision = plan(seen(nodes), wish)
    assert [each.code for each in decision.refusals] == codes.split()
    assert decision.candidate is None
    assert decision.result()["steps"] == []
    for refusal in decision.refusals:
        assert refusal.sentence.endswith(".")
        assert "\n" not in refusal.sentence


def test_the_order_of_the_steps() -> None:
    nodes = {"a": None, "b": SYNC, "c": standby("0/4000000", **CONFIRMED)}
    decision = plan(seen(nodes, {"p": bare(), "q": None}), Wish())
    assert [(each.step, each.node) for each in decision.steps] == [
        ("fence", "a"),
        ("pause", "p"),
        ("keep", "b"),
        ("promote", "b"),
        ("repoint", "p"),
        ("follow", "c"),
        ("verify", "b"),
    ]
    assert (decision.primary, decision.fence, decision.siblings) == ("a", ("a",), ("c",))
    told = " ".join(decision.evidence)
    assert "a may be the old primary; the controller and b and c says that it is gone" in told
    assert "q could not be looked at" in told


def test_a_fence_that_is_proven_is_not_put_up_again() -> None:
    decision = plan(seen({"a": None, "b": PAIR}), replace(ALONE, fenced=frozenset("a"), promoting=True))
    assert (decision.candidate, decision.fence) == ("b", ())
    assert "fence" not in [each.step for each in decision.steps]


def test_a_fence_that_a_witness_reaches_through_is_none() -> None:
    wish = Wish(fenced=frozenset("a"), promoting=True, witnesses={"a": {"pool1": True}})
    assert [each.code for each in plan(seen({"a": None, "b": PAIR}), wish).refusals] == ["witness_reaches"]


def test_all_of_whom_nothing_is_known_are_fenced() -> None:
    decision = plan(seen({"a": None, "b": standby(), "c": None}), LOSSY)
    assert decision.fence == ("a", "c")
    # It may be either.
    assert decision.primary is None


@pytest.mark.parametrize("to", [None, "b"])
def test_where_somebody_takes_writes_the_rest_is_done_and_nobody_promoted(to: str | None) -> None:
    promoted = primary("c", timeline=2, history=fork(1, "0/5000000"))
    follower = streaming(timeline=2, history=fork(1, "0/5000000"))
    decision = plan(seen({"a": None, "b": promoted, "c": follower}, {"p": bare()}), Wish(to, promoting=True))
    assert decision.refusals == ()
    assert (decision.candidate, decision.primary) == ("b", "b")
    assert [(each.step, each.node) for each in decision.steps] == [("repoint", "p"), ("follow", "c"), ("verify", "b")]


def test_what_the_inventory_says_of_commits_counts_as_well() -> None:
    found = seen({"a": None, "b": standby(settings={"synchronous_standby_names": ""})})
    # The members do not agree with it, so that nobody knows what held on the primary.
    decision = plan(found, Wish(synchronous="ANY 1 (a, b)"))
    assert [each.code for each in decision.refusals] == ["loss_unknown"]
    missing = plan(found, Wish(synchronous="ANY 1 (b, z)"))
    assert [each.code for each in missing.refusals] == ["confirming_standby_unseen"]


def test_commits_wait_for_nobody_where_that_is_said_and_that_is_told() -> None:
    decision = plan(seen({"a": None, "b": PAIR}, {"p": bare()}), ALONE)
    steps = [each.step for each in decision.steps]
    # Before clients are there.
    assert steps.index("promote") < steps.index("synchronous") < steps.index("repoint")
    assert "Commits on b wait for no standby, since 0 of the 1" in " ".join(decision.evidence)
    enough = plan(seen({"a": None, "b": SYNC, "c": SYNC}), ALONE)
    assert "synchronous" not in [each.step for each in enough.steps]


@pytest.mark.parametrize(("wish", "waits"), [(Wish(), True), (ALONE, False)])
def test_where_commits_wait_already_it_is_told_and_changed_where_that_is_said(wish: Wish, waits: bool) -> None:
    alone = primary(settings={"synchronous_standby_names": 'ANY 1 ("a", "b")'})
    decision = plan(seen({"a": None, "b": alone}), wish)
    assert decision.refusals == ()
    assert decision.commits_wait is waits
    assert ("synchronous" in [each.step for each in decision.steps]) is not waits
    assert "since 0 of the 1 standbys are there" in " ".join(decision.evidence)
