"""Whether one server is promoted, as a table of what stands against it; and what holds whatever is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._history import position
from ansible_collections.runbook.postgres.plugins.module_utils._promote.checks import Wish
from ansible_collections.runbook.postgres.plugins.module_utils._promote.observe import Seen, Server, Upstream
from ansible_collections.runbook.postgres.plugins.module_utils._promote.plan import Promote, Resume, plan
from ansible_collections.runbook.postgres.plugins.module_utils._slots.keeping import LIMIT, Keep

ID = "7000000000000000001"
SETTINGS = {
    "recovery_min_apply_delay": 0,
    "wal_segment_size": 2**24,
    "max_replication_slots": 10,
    "max_wal_senders": 10,
}
STANDBY = Server(True, ID, 1, received="0/5000000", replayed="0/5000000", settings=SETTINGS)
PRIMARY = Server(False, ID, 2, current="0/6000000", settings=SETTINGS)
ALIVE = Upstream("192.0.2.11:5432", "0/5000000", 2)
KNOWN = Wish(primary_lsn="0/5000000")


def seen(server: Server = STANDBY, **host: Any) -> Seen:
    return Seen("15/main", server, **{"free_bytes": 2**30, "newest_timeline": server.timeline, **host})


def standby(**more: Any) -> Server:
    settings = {**SETTINGS, **more.pop("settings", {})}
    return replace(STANDBY, settings=settings, **more)


PROMOTED: list[tuple[str, Seen, Wish]] = [
    ("it has everything", seen(), KNOWN),
    ("it is the one that is meant", seen(), replace(KNOWN, system_identifier=ID, timeline=1)),
    ("it has more than is asked", seen(), Wish(primary_lsn="0/4FFFFFF")),
    ("its primary said nothing, and that is accepted", seen(), Wish(allow_data_loss=True)),
    ("a little is lost, and that is accepted", seen(), Wish(primary_lsn="0/5000100", allow_data_loss=True)),
    ("it streams from one that is fenced", seen(standby(upstream=ALIVE)), replace(KNOWN, fenced=True)),
    ("it restored all from an archive", seen(standby(received=None)), KNOWN),
    ("replay is paused and is let go on", seen(standby(paused=True)), replace(KNOWN, resume_replay=True)),
    (
        "replay is late, and that is accepted",
        seen(standby(settings={"recovery_min_apply_delay": 9})),
        replace(KNOWN, allow_apply_delay=True),
    ),
    ("there is little room, and it is forced", seen(free_bytes=1), replace(KNOWN, force=True)),
    (
        "slots are there already",
        seen(standby(slots=frozenset("ab"), settings={"max_replication_slots": 2})),
        replace(KNOWN, slots=["a", "b"]),
    ),
]

FULL: dict[str, Any] = {"slots": frozenset("ab"), "settings": {"max_replication_slots": 2}}
FEW = {"max_wal_senders": 1}
LOW = {"max_connections": 40}

REFUSED: list[tuple[str, Seen, Wish, str]] = [
    ("another cluster", seen(), replace(KNOWN, system_identifier="1"), "system_identifier_differs"),
    ("another timeline", seen(), replace(KNOWN, timeline=2), "timeline_differs"),
    ("Patroni", seen(promoters=("Patroni",)), KNOWN, "promoter_runs"),
    ("it streams", seen(standby(upstream=ALIVE)), KNOWN, "upstream_alive"),
    ("it streams, and is forced", seen(standby(upstream=ALIVE)), replace(KNOWN, force=True), "upstream_alive"),
    ("replay is paused", seen(standby(paused=True)), KNOWN, "replay_paused"),
    (
        "replay stands still for want of a setting",
        seen(standby(paused=True, settings=LOW), primary_settings={"max_connections": 100}),
        replace(KNOWN, resume_replay=True),
        "settings_too_low",
    ),
    ("replay is late", seen(standby(settings={"recovery_min_apply_delay": 9})), KNOWN, "apply_delay"),
    ("much is to be replayed", seen(standby(replayed="0/3000000")), KNOWN, "replay_behind"),
    ("nobody says where the primary ended", seen(), Wish(), "loss_unknown"),
    ("the same, and it is forced", seen(), Wish(force=True), "loss_unknown"),
    ("one byte would be lost", seen(), Wish(primary_lsn="0/5000001"), "data_loss"),
    ("the same, and it is forced", seen(), Wish(primary_lsn="0/5000001", force=True), "data_loss"),
    (
        "the upstream said that it has more",
        seen(standby(upstream=replace(ALIVE, lsn="0/5000001"))),
        replace(KNOWN, fenced=True),
        "data_loss",
    ),
    (
        "much would be lost, even if some may be",
        seen(),
        Wish(primary_lsn="0/7000000", allow_data_loss=True),
        "lag_over_limit",
    ),
    (
        "the same, as far as the upstream said",
        seen(standby(upstream=replace(ALIVE, lsn="0/7000000"))),
        Wish(fenced=True, allow_data_loss=True),
        "lag_over_limit",
    ),
    ("there is little room", seen(free_bytes=2**20), KNOWN, "no_room"),
    ("no slot is free", seen(standby(**FULL)), replace(KNOWN, slots=["c"]), "no_free_slots"),
    ("no sender is", seen(standby(settings=FEW)), replace(KNOWN, slots=["a", "b"]), "no_free_senders"),
    (
        "several things are told at once",
        seen(standby(upstream=ALIVE, paused=True), promoters=("repmgrd",)),
        Wish(),
        "promoter_runs upstream_alive replay_paused loss_unknown",
    ),
]


@pytest.mark.parametrize(("found", "wish"), [each[1:] for each in PROMOTED], ids=[each[0] for each in PROMOTED])
def test_it_is_promoted(found: Seen, wish: Wish) -> None:
    decided = plan(found, wish)
    assert decided.refusals == ()
    assert decided.plan.changes[-1] == Promote("15/main", 1)
    assert decided.plan.changes[:-1] == ((Resume("15/main"),) if found.server.paused else ())
    assert (decided.plan.before, decided.plan.after) == (
        ("standby on timeline 1 at 0/5000000",),
        ("primary on timeline 2",),
    )


@pytest.mark.parametrize(("found", "wish", "codes"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_it_is_refused(found: Seen, wish: Wish, codes: str) -> None:
    decided = plan(found, wish)
    assert [each.code for each in decided.refusals] == codes.split()
    assert not decided.plan.changed
    assert decided.plan.before == decided.plan.after
    for refusal in decided.refusals:
        assert refusal.sentence.endswith(".")
        assert "\n" not in refusal.sentence


def test_wal_is_kept_for_those_who_come_later_before_it_is_promoted() -> None:
    paused = standby(paused=True, slots=frozenset("ab"), idle_slots=frozenset("a"), settings={LIMIT: 64})
    decided = plan(seen(paused), replace(KNOWN, slots=["a", "b", "c"], resume_replay=True))
    assert decided.plan.changes == (
        Resume("15/main"),
        Keep(("a", "c"), frozenset("a"), 64),
        Promote("15/main", 1),
    )
    assert decided.plan.after == ("primary on timeline 2", "slot a keeps WAL", "slot c keeps WAL")
    assert decided.plan.warnings == ()


def test_it_is_told_where_wal_is_kept_for_nobody() -> None:
    decided = plan(seen(standby(settings={LIMIT: -1})), replace(KNOWN, slots=["a"]))
    assert decided.plan.changes == (Promote("15/main", 1),)
    assert "No WAL is kept for a" in " ".join(decided.plan.warnings)


def test_a_primary_stays_one_whatever_is_wished() -> None:
    decided = plan(seen(PRIMARY, free_bytes=0, promoters=("Patroni",)), Wish(timeline=1, slots=["x"] * 20))
    assert decided.refusals == ()
    assert not decided.plan.changed
    assert (decided.timeline, decided.loss) == (2, 0)


def test_a_primary_of_another_cluster_is_not_taken_for_ours() -> None:
    decided = plan(seen(PRIMARY), Wish(system_identifier="1"))
    assert [each.code for each in decided.refusals] == ["system_identifier_differs"]


def test_a_timeline_that_the_host_has_heard_of_is_not_taken_again() -> None:
    assert plan(seen(newest_timeline=4), KNOWN).timeline == 5


@pytest.mark.parametrize(
    ("lsn", "expected"), [(None, None), ("0/4000000", 0), ("0/5000000", 0), ("0/5000010", 16), ("1/5000000", 2**32)]
)
def test_what_would_be_lost(lsn: str | None, expected: int | None) -> None:
    assert plan(seen(), Wish(primary_lsn=lsn)).loss == expected


LSNS = st.integers(0, 2**26).map(lambda number: f"0/{number:X}")
SERVERS = st.builds(
    Server,
    st.booleans(),
    st.sampled_from([ID, "1"]),
    st.integers(1, 3),
    received=st.none() | LSNS,
    replayed=st.none() | LSNS,
    paused=st.booleans(),
    upstream=st.none() | st.builds(Upstream, st.just("h:1"), st.none() | LSNS, st.just(1)),
    slots=st.frozensets(st.sampled_from("abc")),
    settings=st.fixed_dictionaries(
        {
            "recovery_min_apply_delay": st.sampled_from([0, 1000]),
            "wal_segment_size": st.just(2**24),
            "max_replication_slots": st.integers(0, 4),
            "max_wal_senders": st.integers(0, 4),
        }
    ),
)
FOUND = st.builds(
    Seen,
    st.just("15/main"),
    SERVERS,
    st.sampled_from([(), ("Patroni",)]),
    st.sampled_from([0, 2**40]),
    st.integers(1, 5),
)
WISHES = st.builds(
    Wish,
    st.none() | st.just(ID),
    st.none() | st.integers(1, 3),
    st.none() | LSNS,
    st.lists(st.sampled_from("abcd"), max_size=3),
    st.sampled_from([0, 2**24, 2**40]),
    *[st.booleans()] * 5,
)


@given(FOUND, WISHES)
def test_what_is_promoted_has_all_that_is_known_to_be_needed(found: Seen, wish: Wish) -> None:
    decided = plan(found, wish)
    if not decided.plan.changed:
        return
    server = found.server
    assert server.in_recovery
    assert wish.system_identifier in (None, server.system_identifier)
    assert wish.timeline in (None, server.timeline)
    assert not found.promoters
    assert server.upstream is None or wish.fenced
    assert not server.paused or wish.resume_replay
    if not wish.allow_data_loss:
        assert wish.primary_lsn is not None
        assert position(wish.primary_lsn) <= position(server.reach)
    assert (decided.loss or 0) <= wish.max_lag_bytes


@given(FOUND, WISHES)
def test_no_switch_implies_another(found: Seen, wish: Wish) -> None:
    """Turning one on takes away the refusals that are its own, and no others."""
    own = {
        "force": {"no_room", "no_free_slots", "no_free_senders"},
        "allow_data_loss": {"data_loss", "loss_unknown"},
        "allow_apply_delay": {"apply_delay"},
        "resume_replay": {"replay_paused"},
        "fenced": {"upstream_alive"},
    }
    for switch, codes in own.items():
        off, on = (told(found, wish, {switch: to}) for to in (False, True))
        assert off - on <= codes
        assert on <= off


def told(found: Seen, wish: Wish, changed: Mapping[str, Any]) -> set[str]:
    return {each.code for each in plan(found, replace(wish, **changed)).refusals}
