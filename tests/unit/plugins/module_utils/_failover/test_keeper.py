"""What Patroni says of its cluster, and to whom it is asked to switch over: tables, and what holds whatever it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._failover.decision import Decision
from ansible_collections.runbook.postgres.plugins.module_utils._failover.failover import Wish as FailoverWish
from ansible_collections.runbook.postgres.plugins.module_utils._failover.failover import plan as plan_failover
from ansible_collections.runbook.postgres.plugins.module_utils._failover.keeper import asked
from ansible_collections.runbook.postgres.plugins.module_utils._failover.switchover import Wish, plan
from tests.unit.plugins.module_utils._cluster.nodes import bare
from tests.unit.plugins.module_utils._failover.clusters import primary, seen, standby, streaming, with_machine

LEADER: dict[str, Any] = {"name": "a", "role": "leader", "state": "running", "lag_bytes": None, "tags": {}}
SCHEDULED = {"at": "2030-01-01T03:00:00+00:00", "from": "a"}


def replica(name: str, **told: Any) -> dict[str, Any]:
    return {"name": name, "role": "replica", "state": "streaming", "lag_bytes": 0, "tags": {}, **told}


def confirming(name: str, **told: Any) -> dict[str, Any]:
    return replica(name, role="sync_standby", **told)


def info(*members: Mapping[str, Any], **told: Any) -> dict[str, Any]:
    own = {
        "leader": "a",
        "paused": False,
        "scheduled_switchover": None,
        "settings": {},
        "members": [LEADER, *members],
        **told,
    }
    return {"configured": True, "runs_server": True, "problem": None, "patroni": own}


def silent(problem: str | None) -> dict[str, Any]:
    return {"configured": problem is not None, "runs_server": False, "problem": problem, "patroni": None}


def kept(facts: dict[str, Any], *others: str) -> dict[str, Any]:
    return with_machine(facts, promoters=["Patroni", *others])


def decided(
    said: Mapping[str, Any], wish: Wish | None = None, nodes: Mapping[str, Any] | None = None, *poolers: str
) -> Decision:
    """Of a, the primary, and b and c, which stream from it, unless others are given."""
    found = nodes or {"a": kept(primary("b", "c")), "b": kept(streaming()), "c": kept(streaming())}
    snapshot = seen(found, {name: bare() for name in poolers})
    return plan(replace(snapshot, keeper=asked({"a": said}, "a" if snapshot.primary else None)), wish or Wish())


SYNC = {"settings": {"synchronous_mode": True}}

CANDIDATES: list[tuple[str, Mapping[str, Any], Wish, str]] = [
    ("the one that is named", info(replica("b"), replica("c")), Wish("c"), "c"),
    ("the one that lacks least", info(replica("b", lag_bytes=16), replica("c")), Wish(), "c"),
    ("not one of which that is not known", info(replica("b", lag_bytes=None), replica("c", lag_bytes=9)), Wish(), "c"),
    ("one that confirms first", info(replica("b"), confirming("c", lag_bytes=16)), Wish(), "c"),
    ("of a quorum", info(replica("b"), replica("c", role="quorum_standby")), Wish(), "c"),
    ("of equals the first by name", info(replica("c"), replica("b")), Wish(), "b"),
    ("not one with the tag", info(replica("b", tags={"nofailover": True}), replica("c", lag_bytes=9)), Wish(), "c"),
    ("a tag that says no", info(replica("b", tags={"nofailover": False})), Wish("b"), "b"),
    ("one that confirms where commits wait", info(replica("b"), confirming("c", lag_bytes=9), **SYNC), Wish(), "c"),
    ("as older ones call what streams", info(replica("b", state="running")), Wish("b"), "b"),
    ("the leader itself", info(replica("b")), Wish("a"), "a"),
    ("the leader itself while it is paused", info(replica("b"), paused=True), Wish("a"), "a"),
]

REFUSALS: list[tuple[str, Mapping[str, Any], Wish, str]] = [
    ("it does not answer", silent("Patroni does not answer."), Wish(), "patroni_silent"),
    ("it is somebody else's", silent(None), Wish(), "patroni_silent"),
    ("it is paused", info(replica("b"), paused=True), Wish(), "patroni_paused"),
    ("it has no leader", info(replica("b"), leader=None), Wish(), "patroni_no_leader"),
    ("it has another leader", info(replica("b"), leader="b"), Wish(), "patroni_other_leader"),
    ("it will do it later", info(replica("b"), scheduled_switchover=SCHEDULED), Wish(), "patroni_scheduled"),
    ("it does not know the member", info(replica("b")), Wish("c"), "patroni_stranger"),
    ("the member is stopped", info(replica("b", state="stopped")), Wish("b"), "patroni_not_working"),
    ("the member has the tag", info(replica("b", tags={"nofailover": "true"})), Wish("b"), "patroni_nofailover"),
    ("commits wait for another", info(replica("b"), confirming("c"), **SYNC), Wish("b"), "patroni_not_synchronous"),
    (
        "two things at once",
        info(replica("b"), paused=True, scheduled_switchover=SCHEDULED),
        Wish(),
        "patroni_paused patroni_scheduled",
    ),
    ("nobody can", info(replica("b", state="stopped")), Wish(), "patroni_not_working patroni_stranger"),
    ("a name that nobody has", info(replica("b")), Wish("z"), "candidate_unknown"),
    ("a name that nobody has while it is paused", info(paused=True), Wish("z"), "candidate_unknown"),
]


@pytest.mark.parametrize(
    ("said", "wish", "expected"), [each[1:] for each in CANDIDATES], ids=[c[0] for c in CANDIDATES]
)
def test_who_takes_over(said: Mapping[str, Any], wish: Wish, expected: str) -> None:
    decision = decided(said, wish)
    assert not decision.refusals
    assert (decision.primary, decision.candidate) == ("a", expected)
    assert [each.node for each in decision.steps if each.step == "ask"] == ([] if expected == "a" else ["a"])


@pytest.mark.parametrize(("said", "wish", "codes"), [each[1:] for each in REFUSALS], ids=[c[0] for c in REFUSALS])
def test_what_stands_against_it(said: Mapping[str, Any], wish: Wish, codes: str) -> None:
    decision = decided(said, wish)
    assert [each.code for each in decision.refusals] == codes.split()
    assert decision.candidate is None
    assert decision.result()["steps"] == []
    for refusal in decision.refusals:
        assert refusal.sentence.endswith(".")
        assert ".." not in refusal.sentence
        assert "\n" not in refusal.sentence


@pytest.mark.parametrize(
    ("nodes", "codes"),
    [
        ({"a": kept(primary("b")), "b": kept(standby())}, "not_streaming"),
        ({"a": kept(primary("b")), "b": kept(streaming(replay_paused=True))}, "replay_paused"),
        ({"a": kept(primary("b")), "b": kept(streaming(replay_lsn="0/1000000"))}, "lag_over_limit"),
        ({"a": kept(primary("b"), "repmgrd"), "b": kept(streaming())}, "promoter_runs"),
        ({"a": kept(primary("b")), "b": kept(streaming()), "c": None}, "member_unseen"),
        ({"a": kept(standby()), "b": kept(standby())}, "no_primary"),
    ],
    ids=["streams from nobody", "is paused", "is far behind", "another promoter", "out of reach", "no primary"],
)
def test_what_stands_against_any_switchover_stands_against_it(nodes: Mapping[str, Any], codes: str) -> None:
    decision = decided(info(replica("b")), Wish("b"), nodes)
    assert [each.code for each in decision.refusals] == codes.split()


def test_every_pooler_waits_before_patroni_is_asked_and_nothing_else_stops_or_promotes() -> None:
    decision = decided(info(replica("b"), replica("c")), Wish("b"), None, "p", "q")
    assert [(each.step, each.node) for each in decision.steps] == [
        ("checkpoint", "a"),
        ("pause", "p"),
        ("pause", "q"),
        ("ask", "a"),
        ("repoint", "p"),
        ("repoint", "q"),
        ("verify", "b"),
    ]


def test_a_failover_by_hand_is_still_left_to_it() -> None:
    found = seen({"a": None, "b": kept(standby()), "c": kept(standby())})
    assert "promoter_runs" in [each.code for each in plan_failover(found, FailoverWish("b")).refusals]


ROLES = st.sampled_from(["replica", "sync_standby", "quorum_standby"])
STATES = st.sampled_from(["streaming", "running", "stopped", "starting", ""])
TAGS = st.sampled_from([{}, {"nofailover": True}, {"nofailover": False}, {"clonefrom": True}])
ROWS = st.fixed_dictionaries(
    {"role": ROLES, "state": STATES, "tags": TAGS, "lag_bytes": st.none() | st.integers(0, 2**40)}
)


@given(
    st.dictionaries(st.sampled_from("bc"), ROWS),
    st.sampled_from([None, "a", "b", "c", "z"]),
    st.sampled_from([None, "a", "b"]),
    st.booleans(),
    st.sampled_from([None, SCHEDULED]),
    st.sampled_from([True, False, "on", "off", "quorum", None]),
)
def test_whatever_it_says_only_one_that_it_would_take_is_asked_for(
    rows: dict[str, dict[str, Any]], to: str | None, leader: str | None, paused: bool, later: Any, mode: Any
) -> None:
    said = info(
        *(replica(name, **row) for name, row in rows.items()),
        leader=leader,
        paused=paused,
        scheduled_switchover=later,
        settings={"synchronous_mode": mode},
    )
    decision = decided(said, Wish(to))
    assert bool(decision.refusals) == (decision.candidate is None)
    if to == "a":
        assert decision.steps == ()
    elif not decision.refusals:
        row = rows[str(decision.candidate)]
        assert (paused, later, leader) == (False, None, "a")
        assert to in (None, decision.candidate)
        assert row["state"] in ("streaming", "running")
        assert row["tags"].get("nofailover") is not True
        assert mode in (False, "off", None) or row["role"] != "replica"
