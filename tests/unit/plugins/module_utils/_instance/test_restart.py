"""The order in which members restart, as a table of what waits where."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._instance.restart import (
    Member,
    RestartPlan,
    Waiting,
    at_least,
    plan,
)

PLAIN = {"shared_buffers": Waiting("16384", "32768")}
MORE = {"max_connections": Waiting("100", "200")}
LESS = {"max_connections": Waiting("200", "100")}
UNDONE = {"max_wal_senders": Waiting("10", None)}


def member(name: str, waiting: dict[str, Waiting] | None, *, primary: bool = False, has: int = 100) -> Member:
    return Member(name, primary, waiting, {"max_connections": has})


@pytest.mark.parametrize(
    ("members", "allow", "order"),
    [
        ([], True, ()),
        ([member("a", {}, primary=True), member("b", {})], True, ()),
        ([member("a", PLAIN, primary=True), member("c", PLAIN), member("b", PLAIN)], True, ("b", "c", "a")),
        ([member("a", PLAIN, primary=True), member("b", PLAIN)], False, ("b",)),
        ([member("a", {}, primary=True), member("b", PLAIN)], False, ("b",)),
        # More connections: standbys first; fewer: the primary first.
        ([member("a", MORE, primary=True), member("b", MORE)], True, ("b", "a")),
        ([member("a", LESS, primary=True, has=200), member("b", LESS, has=200)], True, ("a", "b")),
        # The primary has fewer already.
        ([member("a", {}, primary=True, has=100), member("b", LESS, has=200)], False, ("b",)),
        ([member("a", UNDONE, primary=True), member("b", UNDONE)], True, ("b", "a")),
        # One that nobody looked at has enough as it is.
        ([member("a", MORE, primary=True), member("b", None, has=200)], True, ("a",)),
    ],
)
def test_order(members: list[Member], allow: bool, order: tuple[str, ...]) -> None:
    assert plan(members, allow_primary=allow).order == order


def test_nothing_restarts_while_a_base_backup_would_be_lost() -> None:
    members = [member("a", PLAIN, primary=True), replace(member("b", PLAIN), backups=("10.0.0.9",)), member("c", PLAIN)]
    made = plan(members, allow_primary=True)
    assert (made.order, made.held) == ((), ())
    assert made.refusals == (
        "A base backup runs from b to 10.0.0.9 and would be lost with a restart: let it end, and run this again.",
    )


def test_a_backup_from_who_does_not_restart_is_in_nobodys_way() -> None:
    primary = replace(member("a", PLAIN, primary=True), backups=("10.0.0.9",))
    made = plan([primary, member("b", PLAIN)], allow_primary=False)
    assert (made.order, made.refusals) == (("b",), ())


def test_a_primary_that_may_not_is_held_with_the_way_out() -> None:
    result = plan([member("a", PLAIN, primary=True), member("b", PLAIN)], allow_primary=False)
    [sentence] = result.held
    assert "a is the primary" in sentence
    assert "restart_primary=true" in sentence


def test_no_standby_is_left_with_less_than_its_primary() -> None:
    result = plan(
        [member("a", LESS, primary=True, has=200), member("b", LESS, has=200), member("c", PLAIN, has=200)],
        allow_primary=False,
    )
    assert result.order == ("c",)
    assert len(result.held) == 2
    assert "b waits on" in result.held[0]


@pytest.mark.parametrize("standby", [member("b", {}), member("b", None), Member("b", False, None)])
def test_the_primary_leaves_no_standby_behind(standby: Member) -> None:
    result = plan([member("a", MORE, primary=True), standby], allow_primary=True)
    assert result.order == ()
    assert "b has" in result.held[0]


def test_without_a_primary_in_sight_nothing_is_lowered() -> None:
    result = plan([member("b", LESS, has=200), member("c", PLAIN)], allow_primary=True)
    assert result.order == ("c",)


def test_up_and_down_at_once_has_no_order() -> None:
    both = {**MORE, "max_wal_senders": Waiting("10", "5")}
    result = plan([member("a", both, primary=True), member("b", both)], allow_primary=True)
    assert result.order == ()
    assert "lower max_wal_senders and raise max_connections" in result.refusals[0]


def test_two_primaries_are_left_alone() -> None:
    result = plan([member("a", PLAIN, primary=True), member("b", PLAIN, primary=True)], allow_primary=True)
    assert result == RestartPlan(refusals=result.refusals)
    assert "a and b both accept writes" in result.refusals[0]


def synchronous(required: int, *confirming: str) -> Member:
    return Member("a", True, {}, {"max_connections": 100}, required=required, confirming=confirming)


def follower(name: str, called: str | None = None) -> Member:
    return Member(name, False, PLAIN, {"max_connections": 100}, called=called or name)


@pytest.mark.parametrize(
    ("primary", "allow", "order"),
    [
        (synchronous(0), False, ("b", "c")),
        # Either can go while the other confirms.
        (synchronous(1, "b", "c"), False, ("b", "c")),
        (synchronous(2, "b", "c"), False, ()),
        # Two that stream under one name are two.
        (synchronous(1, "15/main", "15/main"), False, ("b", "c")),
        (synchronous(1, "b"), False, ("c",)),
        (synchronous(1, "b"), True, ("b", "c")),
        # Writes wait already, and for neither of these.
        (synchronous(1), False, ("b", "c")),
    ],
)
def test_a_standby_that_every_commit_waits_for_waits_on(primary: Member, allow: bool, order: tuple[str, ...]) -> None:
    result = plan([primary, follower("b"), follower("c")], allow_primary=allow)
    assert result.order == order
    assert all("restart_primary=true" in sentence for sentence in result.held)
    assert len(result.held) == 2 - len(order)


def test_a_standby_is_known_by_the_name_it_streams_under() -> None:
    result = plan([synchronous(1, "b_main"), follower("b", "b_main"), follower("c", "b")], allow_primary=False)
    assert result.order == ("c",)
    assert "b waits on" in result.held[0]


@pytest.mark.parametrize(
    ("wanted", "running", "result"),
    [
        ({"max_connections": 60}, {"max_connections": 70}, {"max_connections": 70}),
        ({"max_connections": "80"}, {"max_connections": 70}, {"max_connections": "80"}),
        ({"max_connections": "60"}, {}, {"max_connections": "60"}),
        ({"max_connections": "some"}, {"max_connections": 70}, {"max_connections": "some"}),
        # Of these a standby may have less.
        ({"work_mem": 4}, {"work_mem": 8, "max_wal_senders": 10}, {"work_mem": 4}),
    ],
)
def test_a_standby_keeps_what_its_primary_runs_with(
    wanted: dict[str, object], running: dict[str, object], result: dict[str, object]
) -> None:
    assert at_least(wanted, running) == result
