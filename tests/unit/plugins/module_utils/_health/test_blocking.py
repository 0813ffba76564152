"""Who waits for whom: every session once, under whoever has to move first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._health.blocking import (
    DEEPEST,
    Blocked,
    blocking_forest,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.sessions import LOCK_PARTIES, LockParty
from ansible_collections.runbook.postgres.plugins.module_utils._health.facts import facts
from ansible_collections.runbook.postgres.plugins.module_utils._health.report import rendered
from tests.unit.plugins.rows import observed, row

Shape = dict[int, Any]


def parties(waits: Mapping[int, list[int]]) -> list[LockParty]:
    """Those that wait, by whom they wait for, and those they wait for as far as these have a session."""
    pids = sorted({*waits, *(pid for blockers in waits.values() for pid in blockers if pid)})
    return [row(LockParty, pid=pid, blocked_by=waits.get(pid, []), waiting_seconds=float(pid)) for pid in pids]


def shape(trees: list[Blocked]) -> Shape:
    return {tree.pid: shape(tree.waiters) for tree in trees}


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        ({}, {}),
        ({2: [1]}, {1: {2: {}}}),
        ({2: [1], 3: [1]}, {1: {2: {}, 3: {}}}),
        ({2: [1], 3: [2]}, {1: {2: {3: {}}}}),
        ({2: [1], 3: [1, 2]}, {1: {2: {}, 3: {}}}),
        ({3: [1, 2]}, {1: {3: {}}, 2: {}}),
        ({4: [3], 2: [1], 5: [3]}, {3: {4: {}, 5: {}}, 1: {2: {}}}),
        ({2: [0]}, {0: {2: {}}}),
        ({2: [0, 0], 3: [0]}, {0: {2: {}, 3: {}}}),
        ({1: [2], 2: [1]}, {1: {2: {}}}),
        ({1: [3], 2: [1], 3: [2]}, {1: {2: {3: {}}}}),
        ({1: [1]}, {1: {}}),
        # Two that wait for a circle, the smaller for its end: neither is a root.
        ({10: [20], 20: [10], 5: [10], 6: [5]}, {10: {5: {6: {}}, 20: {}}}),
        ({1: [2], 2: [1], 8: [9], 9: [8]}, {1: {2: {}}, 8: {9: {}}}),
    ],
)
def test_trees(waits: dict[int, list[int]], expected: Shape) -> None:
    assert shape(blocking_forest(parties(waits))) == expected


def test_the_tree_that_holds_up_most_comes_first() -> None:
    forest = blocking_forest(parties({11: [10], 2: [1], 3: [1], 21: [20]}))
    assert [(tree.pid, tree.count()) for tree in forest] == [(1, 2), (10, 1), (20, 1)]


def test_the_longest_wait_is_found_at_any_depth_and_the_root_does_not_wait() -> None:
    (tree,) = blocking_forest(parties({2: [1], 9: [2], 3: [1]}))
    assert tree.longest_wait() == 9.0


def test_a_blocker_that_is_gone_still_has_its_tree() -> None:
    (tree,) = blocking_forest([row(LockParty, pid=2, blocked_by=[1], waiting_seconds=3.0)])
    assert (tree.pid, tree.party, tree.longest_wait()) == (1, None, 3.0)


def pids(trees: list[Blocked]) -> Iterator[int]:
    for tree in trees:
        yield tree.pid
        yield from pids(tree.waiters)


@given(st.dictionaries(st.integers(1, 12), st.lists(st.integers(0, 12), min_size=1, max_size=3)))
def test_every_session_stands_in_the_forest_exactly_once(waits: dict[int, list[int]]) -> None:
    forest = blocking_forest(parties(waits))
    everybody = {*waits, *(pid for blockers in waits.values() for pid in blockers)}
    assert sorted(pids(forest)) == sorted(everybody)
    assert sum(1 + tree.count() for tree in forest) == len(everybody)


@given(st.dictionaries(st.integers(1, 12), st.lists(st.integers(0, 12), min_size=1, max_size=3)))
def test_who_waits_without_being_part_of_a_circle_is_no_root(waits: dict[int, list[int]]) -> None:
    def waits_for_itself(pid: int) -> bool:
        reached: set[int] = set()
        ahead = list(waits.get(pid, []))
        while ahead:
            blocker = ahead.pop()
            if blocker not in reached:
                reached.add(blocker)
                ahead += waits.get(blocker, [])
        return pid in reached

    for tree in blocking_forest(parties(waits)):
        assert tree.pid not in waits or waits_for_itself(tree.pid)


CHAIN = {pid: [pid - 1] for pid in range(2, 3001)}
RING = {**CHAIN, 1: [3000]}


@pytest.mark.parametrize("waits", [CHAIN, RING])
def test_three_thousand_in_a_row_come_through_to_the_page(waits: dict[int, list[int]]) -> None:
    seen = observed(*((LOCK_PARTIES, party) for party in parties(waits)))
    (tree,) = blocking_forest([each.row for each in seen.of(LOCK_PARTIES)])
    assert tree.count() == 2999
    assert depth(tree) == DEEPEST
    health = json.loads(json.dumps(facts(seen, [], 1)))
    page = rendered(health, "pg1")
    assert all(f"pid {pid}" in page for pid in (1, 2, DEEPEST, 1500, 3000))


def depth(tree: Blocked) -> int:
    return max((1 + depth(waiter) for waiter in tree.waiters), default=0)
