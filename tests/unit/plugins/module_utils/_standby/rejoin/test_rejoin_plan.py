"""How data that went another way comes back, as tables; and what holds whatever is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._controldata import Control
from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch
from ansible_collections.runbook.postgres.plugins.module_utils._standby.local import Data, Host, Registered, Server
from ansible_collections.runbook.postgres.plugins.module_utils._standby.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._standby.plan import Stop, Wanted
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.mark import Mark
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.plan import (
    Follow,
    Keep,
    Recover,
    Rewind,
    Seen,
    plan_rejoin,
)
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.tail import Tail
from ansible_collections.runbook.postgres.plugins.module_utils._standby.upstream import Upstream

PLACE = Place(Path("/var/lib/postgresql/15/main"))
WANTED = Wanted(15, "main", PLACE, "192.0.2.2 port 5432", stamp="20260102T030405Z")
KEPT = f"{PLACE.data}.diverged-{WANTED.stamp}"
# Promoted at 0/500.
UPSTREAM = Upstream("192.0.2.2 port 5432", "77", Branch(2, "0/900", ((1, "0/500"),)), 15)
PAST = Control("77", "shut down", Branch(1, "0/600"), checksums=True)
OLD = Data("15", PAST, standby=False)
KNOWN = Registered(str(PLACE.data), finished=True)
HERE = Host(installed=True, data=OLD, registered=KNOWN, free_bytes=1 << 40)
SOME = Tail(3, 1, "0/600", ("000000010000000000000000",), 16 << 20)
MARK = Mark(KEPT, 1, "0/500", "auto")


def seen(host: Host = HERE, tail: Tail = SOME, **more: Any) -> Seen:
    return replace(Seen(host, tail), **more)


def with_data(data: Data = OLD, server: Server | None = None, **control: Any) -> Host:
    known = data.control and replace(data.control, **control)
    return replace(HERE, data=replace(data, control=known), server=server)


AHEAD = with_data(position=Branch(1, "0/400"))
CRASHED = with_data(state="in production", position=Branch(1, "0/400"))
STANDBY = replace(OLD, standby=True)
REST = "shut down in recovery"
HALF: dict[str, Any] = {"mark": MARK, "kept": True}

PLANS: list[tuple[str, Seen, list[type]]] = [
    ("stopped past the fork", seen(), [Keep, Rewind, Follow]),
    ("stopped before the fork", seen(AHEAD, Tail()), [Follow]),
    ("killed past the fork, as its WAL says", seen(CRASHED), [Keep, Recover, Rewind, Follow]),
    ("killed before the fork", seen(CRASHED, Tail()), [Follow]),
    (
        "promoted itself, elsewhere",
        seen(with_data(replace(OLD, ancestors=((1, "0/400"),)), position=Branch(3, "0/450"))),
        [Keep, Rewind, Follow],
    ),
    ("a standby that follows", seen(with_data(STANDBY, state=REST, position=Branch(1, "0/500")), Tail()), []),
    ("a standby past the fork", seen(with_data(STANDBY, state=REST)), [Keep, Rewind, Follow]),
    (
        "a standby past the fork that runs",
        seen(with_data(STANDBY, Server(True), state=REST)),
        [Stop, Keep, Rewind, Follow],
    ),
    (
        "a standby that has WAL past the fork and has not replayed it",
        seen(with_data(STANDBY, state=REST, position=Branch(1, "0/400"))),
        [Keep, Recover, Rewind, Follow],
    ),
    ("a standby that streams", seen(with_data(STANDBY, Server(True, True), position=Branch(2, "0/800")), Tail()), []),
    ("killed while it copied", seen(mark=MARK), [Keep, Rewind, Follow]),
    ("killed while it rewound", seen(**HALF), [Rewind, Follow]),
    ("killed while it recovered", seen(with_data(state="in crash recovery"), **HALF), [Recover, Rewind, Follow]),
    (
        "killed when it was rewound",
        seen(with_data(state="in archive recovery", position=Branch(2, "0/800")), label=True, **HALF),
        [Follow],
    ),
    (
        "killed before the mark went",
        seen(with_data(STANDBY, Server(True, True), position=Branch(2, "0/800")), label=True, **HALF),
        [Follow],
    ),
]


@pytest.mark.parametrize(("found", "steps"), [row[1:] for row in PLANS], ids=[row[0] for row in PLANS])
def test_the_steps(found: Seen, steps: list[type]) -> None:
    plan = plan_rejoin(WANTED, found, UPSTREAM)
    assert plan.refusals == ()
    assert [type(change) for change in plan.changes] == steps
    assert (plan.before != plan.after) == bool(steps)


def test_what_is_told() -> None:
    plan = plan_rejoin(WANTED, seen(), UPSTREAM)
    assert [change.sentence for change in plan.changes] == [
        f"copy the WAL that only this host has, from 0/500 on, to {KEPT}",
        f"rewind {PLACE.data} to 0/500 of timeline 1",
        f"make {PLACE.data} a standby",
    ]
    [again, _follow] = plan_rejoin(WANTED, seen(**HALF), UPSTREAM).changes
    assert again.sentence.endswith(", again")
    assert plan_rejoin(WANTED, seen(**HALF), UPSTREAM).before == [f"{PLACE.data}: rewound by half"]


BESIDE = Branch(2, "0/600", ((1, "0/400"),))

REFUSALS: list[tuple[str, Seen, Upstream, tuple[str, ...]]] = [
    ("nothing there", seen(replace(HERE, data=None)), UPSTREAM, ("holds no data", "add_replica")),
    (
        "something else",
        seen(replace(HERE, data=Data(None, None, standby=False, names=("letters",)))),
        UPSTREAM,
        ("letters",),
    ),
    ("data that is broken", seen(replace(HERE, data=Data("15", None, standby=False))), UPSTREAM, ("cannot be read",)),
    ("another cluster", seen(with_data(system_identifier="78")), UPSTREAM, ("another cluster", "78")),
    ("another version", seen(), replace(UPSTREAM, major=17), ("runs PostgreSQL 17",)),
    (
        "a primary beside the primary",
        seen(with_data(server=Server(False))),
        UPSTREAM,
        ("takes writes", "stop instance 15/main"),
    ),
    ("one that does not say", seen(with_data(server=Server())), UPSTREAM, ("does not answer",)),
    ("no hints", seen(with_data(checksums=False)), UPSTREAM, ("neither checksums nor wal_log_hints", "reinit")),
    ("no room", seen(replace(HERE, free_bytes=70 << 20)), UPSTREAM, ("70.0 MiB free", "16.0 MiB to be kept")),
    ("it was promoted later", seen(), replace(UPSTREAM, position=Branch(1, "0/900")), ()),
    (
        "it was promoted later",
        seen(with_data(replace(OLD, ancestors=((1, "0/500"),)), position=Branch(2, "0/600"))),
        replace(UPSTREAM, position=Branch(1, "0/900")),
        ("knows nothing of", "find out which one the clients use"),
    ),
    (
        "the same number",
        seen(with_data(replace(OLD, ancestors=tuple(BESIDE.ancestors)), position=BESIDE)),
        UPSTREAM,
        ("both came to timeline 2", "reinit"),
    ),
    (
        "past it on the same timeline",
        seen(),
        replace(UPSTREAM, position=Branch(1, "0/550")),
        ("past the upstream", "reinit"),
    ),
    ("nothing in common", seen(with_data(position=Branch(9, "0/1"))), UPSTREAM, ("none of those", "reinit")),
    ("a standby as source", seen(), replace(UPSTREAM, in_recovery=True), ("is itself a standby",)),
]


@pytest.mark.parametrize(
    ("found", "upstream", "words"), [row[1:] for row in REFUSALS if row[3]], ids=[row[0] for row in REFUSALS if row[3]]
)
def test_what_is_refused(found: Seen, upstream: Upstream, words: tuple[str, ...]) -> None:
    plan = plan_rejoin(WANTED, found, upstream)
    assert plan.changes == ()
    assert [word for word in words if word not in " ".join(plan.refusals)] == []


def test_hints_are_enough() -> None:
    assert plan_rejoin(WANTED, seen(with_data(checksums=False, hints=True)), UPSTREAM).changes


lsns = st.sampled_from(["0/400", "0/500", "0/501", "0/600"])
hosts = st.builds(
    lambda lsn, timeline, past, state, standby, server: with_data(
        replace(STANDBY if standby else OLD, ancestors=((1, past),) if timeline > 1 else ()),
        server,
        state=state,
        position=Branch(timeline, lsn),
    ),
    lsns,
    st.sampled_from([1, 2, 3]),
    lsns,
    st.sampled_from(["shut down", REST, "in production", "in archive recovery"]),
    st.booleans(),
    st.sampled_from([None, Server(False), Server(True), Server(True, True), Server()]),
)


@given(
    host=hosts,
    tail=st.sampled_from([Tail(), SOME]),
    mark=st.sampled_from([None, MARK]),
    kept=st.booleans(),
    label=st.booleans(),
)
def test_nothing_is_rewound_before_it_is_kept_nor_under_a_server(
    host: Host, tail: Tail, mark: Mark | None, kept: bool, label: bool
) -> None:
    found = Seen(host, tail, mark, kept=kept and mark is not None, label=label)
    plan = plan_rejoin(WANTED, found, UPSTREAM)
    kinds = [type(change) for change in plan.changes]
    assert not (plan.changes and plan.refusals)
    if Rewind in kinds:
        assert found.kept or kinds.index(Keep) < kinds.index(Rewind)
        assert host.server is None or kinds[0] is Stop
        assert kinds[-1] is Follow
    if host.server is not None and host.server.in_recovery is not True:
        assert plan.refusals
    if mark is not None and not plan.refusals:
        assert kinds[-1] is Follow
