"""Which slots are made, made anew, dropped and left alone."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._slots.plan import Slot, Wanted, plan_slots
from ansible_collections.runbook.postgres.plugins.module_utils._slots.slots import Found, left

FREE, KEEPS, USED, LOST = (
    Slot("a"),
    Slot("a", reserved=True),
    Slot("a", reserved=True, active=True),
    Slot("a", reserved=False, lost=True),
)
HAVE, CASCADE, GONE = Wanted(["a"]), Wanted(["a"], downstream=["a"]), Wanted([], ["a"])
ELSEWHERE = Wanted(["a"], elsewhere=["a"])


@pytest.mark.parametrize(
    ("wanted", "found", "in_recovery", "steps"),
    [
        (HAVE, [], False, ["make slot a"]),
        (HAVE, [], True, ["make slot a"]),
        (HAVE, [FREE], True, []),
        # On a primary its member is down for a while; on a standby nobody comes for it.
        (HAVE, [KEEPS], False, []),
        (HAVE, [KEEPS], True, ["drop slot a, it is left", "make slot a"]),
        (CASCADE, [KEEPS], True, []),
        (HAVE, [USED], True, []),
        (ELSEWHERE, [KEEPS], False, ["drop slot a, it is left", "make slot a"]),
        (ELSEWHERE, [FREE], False, []),
        (ELSEWHERE, [USED], False, []),
        (HAVE, [LOST], False, ["drop slot a, what it kept is lost", "make slot a"]),
        (CASCADE, [LOST], True, ["drop slot a, what it kept is lost", "make slot a"]),
        (GONE, [KEEPS], False, ["drop slot a, its member was removed"]),
        (GONE, [], False, []),
        (Wanted(["b"]), [FREE, Slot("b"), Slot("c", physical=False, active=True)], True, []),
    ],
)
def test_steps(wanted: Wanted, found: list[Slot], in_recovery: bool, steps: list[str]) -> None:
    plan = plan_slots(wanted, found, in_recovery=in_recovery)
    assert not plan.refusals
    told = [change.sentence for change in plan.changes]
    assert len(told) == len(steps)
    assert all(line.startswith(start) for line, start in zip(told, steps))


@pytest.mark.parametrize(
    ("wanted", "found", "says"),
    [
        (GONE, [USED], "still streams from here"),
        (HAVE, [Slot("a", physical=False)], "logical"),
        (GONE, [Slot("a", physical=False)], "logical"),
        (Wanted(["a"], ["a"]), [], "decide"),
    ],
)
def test_refusals(wanted: Wanted, found: list[Slot], says: str) -> None:
    plan = plan_slots(wanted, found, in_recovery=False)
    assert not plan.changes
    assert says in " ".join(plan.refusals)


def test_the_diff_shows_names_and_what_keeps_wal() -> None:
    plan = plan_slots(Wanted(["a", "b"]), [KEEPS], in_recovery=True)
    assert (list(plan.before), list(plan.after)) == (["a, keeps WAL"], ["a", "b"])


@pytest.mark.parametrize(
    ("wanted", "in_recovery", "active"),
    [(HAVE, False, True), (HAVE, True, False), (CASCADE, True, True), (ELSEWHERE, False, False)],
)
def test_who_is_not_to_stream_from_here_has_left(wanted: Wanted, in_recovery: bool, active: bool) -> None:
    assert left(Found([USED], in_recovery), wanted).slots[0].active == active


def test_whose_server_is_stopped_right_before_has_left() -> None:
    leaving = Wanted([], ["a"], leaving=["a"])
    assert plan_slots(leaving, [USED], in_recovery=False).refusals
    plan = plan_slots(leaving, left(Found([USED], False), leaving).slots, in_recovery=False)
    assert [step.name for step in plan.changes] == ["a"]
