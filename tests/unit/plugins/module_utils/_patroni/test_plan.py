"""Who is handed to Patroni, or taken back, as a table; and what holds whatever is found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._patroni.plan import MARK, Member, Wish, decide

ETCD = ("e1", "e2", "e3")
WISH = Wish(scope="shop", etcd=ETCD, etcd_reached=ETCD)
BACK = Wish("absent", "shop")


def node(*, promoters: tuple[str, ...] = (), **instance: Any) -> dict[str, Any]:
    seen = {"state": "running", "upstream": {"status": "streaming"}, "replay_lsn": "0/5000000", **instance}
    return {"machine": {"promoters": list(promoters)}, "instance": seen}


def built(name: str, task: str, **more: Any) -> Member:
    """As site leaves it."""
    own = {"current_lsn": "0/5000000"} if task == "primary" else {}
    info = {"configured": False, "runs_server": False, "problem": None, "patroni": None}
    return Member(name, node(**{**own, **more}), info, task, None if task == "primary" else "a")


def kept(name: str, task: str, *, runs_server: bool = True, **told: Any) -> Member:
    """As Patroni keeps it."""
    info = {
        "configured": True,
        "runs_server": runs_server,
        "problem": None,
        "patroni": {"scope": "shop", "paused": False, "settings": {}, **told},
    }
    own = {"current_lsn": "0/5000000"} if task == "primary" else {}
    return Member(name, node(promoters=("Patroni",), **own), info, task, None if task == "primary" else "a")


BUILT = [built("b", "standby"), built("a", "primary"), built("c", "standby")]
KEPT = [kept("b", "standby"), kept("a", "primary"), kept("c", "standby")]
OURS: dict[str, Any] = {"paused": True, "settings": {MARK: True}}


@pytest.mark.parametrize(
    ("members", "wish", "due"),
    [
        (BUILT, WISH, ["a", "b", "c"]),
        (KEPT, WISH, []),
        ([kept("a", "primary", runs_server=False, **OURS), built("b", "standby")], WISH, ["a", "b"]),
        ([kept("a", "primary", **OURS), built("b", "standby")], WISH, ["b"]),
        (KEPT, BACK, ["c", "b", "a"]),
        (BUILT, BACK, []),
    ],
    ids=["built", "kept", "stopped at the primary", "stopped at a standby", "back", "back already"],
)
def test_who_is_due_in_which_order(members: list[Member], wish: Wish, due: list[str]) -> None:
    decision = decide(members, "a", wish)
    assert decision.refusals == []
    assert decision.members == due


def test_a_standby_that_was_stopped_for_patroni_is_carried_on_with() -> None:
    info = {"configured": True, "runs_server": False, "problem": "it does not answer", "patroni": None}
    left = Member("b", node(state="stopped", upstream=None), info, "refused", "a")
    assert decide([kept("a", "primary", **OURS), left], "a", WISH).members == ["b"]


@pytest.mark.parametrize(
    ("members", "wish", "sentence"),
    [
        ([built("a", "primary", promoters=("repmgrd",))], WISH, "repmgrd runs on a"),
        ([kept("a", "primary", scope="other")], WISH, "keeps a cluster other"),
        ([built("a", "primary", promoters=("Patroni",))], WISH, "does not tell of its cluster"),
        ([built("a", "primary"), built("b", "clone")], WISH, "have runbook.postgres.site build it first"),
        ([built("a", "primary"), built("b", "standby", upstream=None)], WISH, "does not stream from a"),
        ([built("a", "primary"), built("b", "standby", replay_lsn="0/1000000")], WISH, "bytes behind a"),
        ([built("a", "primary"), Member("b", node(), None, "standby", "c")], WISH, "follows c, a standby"),
        ([built("a", "primary"), Member("b", None, None, "unknown")], WISH, "b could not be looked at"),
        (BUILT, Wish(scope="shop"), "patroni_etcd_hosts is empty"),
        (BUILT, Wish(scope="shop", etcd=("e1",), etcd_reached=("e1",)), "cannot lose a single host"),
        (BUILT, Wish(scope="shop", etcd=ETCD, etcd_reached=("e1", "e2")), "etcd begins with all of its hosts"),
        (KEPT, Wish(scope="shop", etcd=ETCD, etcd_reached=("e1",)), "e2 and e3 could not be looked at"),
        ([kept("a", "primary", paused=True), built("b", "standby")], WISH, "paused by somebody"),
        ([kept("a", "primary"), Member("b", None, None, "unknown")], BACK, "would go on by itself"),
    ],
)
def test_what_is_refused(members: list[Member], wish: Wish, sentence: str) -> None:
    decision = decide(members, "a", wish)
    assert sentence in " ".join(decision.refusals)
    assert decision.members == []


def test_without_a_primary_nobody_is_handed_over_or_taken_back() -> None:
    assert "No member is primary" in " ".join(decide([built("b", "standby")], None, WISH).refusals)
    assert "No member is primary" in " ".join(decide([kept("b", "standby")], None, BACK).refusals)


def test_one_of_etcd_is_enough_for_who_says_so() -> None:
    wish = Wish(scope="shop", etcd=("e1",), etcd_reached=("e1",), few_etcd=True)
    assert decide(BUILT, "a", wish).members == ["a", "b", "c"]


def test_a_pause_of_somebody_else_stays() -> None:
    decision = decide([kept("a", "primary", paused=True), kept("b", "standby", paused=True)], "a", WISH)
    assert decision.paused
    assert decision.refusals == []


@given(
    st.lists(st.sampled_from(["built", "kept", "left"]), min_size=2, max_size=5),
    st.sampled_from(["managed", "absent"]),
)
def test_no_standby_is_handed_over_before_the_primary(states: list[str], state: str) -> None:
    """Its Patroni would find no leader, and promote it."""
    members = [
        built(f"m{place}", task) if each == "built" else kept(f"m{place}", task, runs_server=each == "kept", **OURS)
        for place, each in enumerate(states)
        for task in ["primary" if place == 0 else "standby"]
    ]
    due = decide(members, "m0", Wish(state, "shop", ETCD, ETCD)).members
    if "m0" in due:
        assert due.index("m0") == (0 if state == "managed" else len(due) - 1)
