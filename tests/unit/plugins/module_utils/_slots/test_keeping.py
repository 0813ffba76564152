"""For whom WAL is kept from before a promotion, and when it is not: as a table, and what holds whatever is found."""

from __future__ import annotations

from collections.abc import Set

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._slots.keeping import Found, due, unkept

NAMES = st.sampled_from("abcd")


def found(names: str = "", idle: str = "", free: int = 10, limit: int = 512) -> Found:
    return Found(frozenset(names), frozenset(idle), free, limit)


@pytest.mark.parametrize(
    ("there", "kept", "anew"),
    [
        (found(), "ab", ""),
        (found("ab", "ab"), "ab", "ab"),
        # It streams, or keeps WAL already.
        (found("ab", "b"), "b", "b"),
        (found("b", "b", free=0), "b", "b"),
        (found("", free=1), "a", ""),
        (found("cd", "cd"), "ab", ""),
    ],
)
def test_those_without_wal_keep_it(there: Found, kept: str, anew: str) -> None:
    keep = due(["a", "b"], there)
    assert keep is not None
    assert (keep.slots, keep.there) == (tuple(kept), frozenset(anew))
    assert "512 MiB at most" in keep.sentence
    assert unkept(["a", "b"], there) == ()


@pytest.mark.parametrize("there", [found("ab"), found("", free=0), found(free=-3)])
def test_nothing_is_done_where_nothing_can_be_kept_or_all_is(there: Found) -> None:
    assert due(["a", "b"], there) is None
    assert due([], found()) is None


@pytest.mark.parametrize(("limit", "why"), [(-1, "fill the disk"), (0, "keep none")])
def test_without_a_bound_nothing_is_kept_and_that_is_told(limit: int, why: str) -> None:
    there = found("ab", "b", limit=limit)
    assert due(["a", "b"], there) is None
    (said,) = unkept(["a", "b"], there)
    assert "kept for b, because max_slot_wal_keep_size is" in said
    assert why in said
    assert unkept(["a"], there) == unkept([], there) == ()


@given(
    wanted=st.lists(NAMES),
    names=st.frozensets(NAMES),
    idle=st.frozensets(NAMES),
    free=st.integers(-2, 5),
    limit=st.integers(-1, 2),
)
def test_no_slot_in_use_is_touched_and_no_more_are_made_than_are_free(
    wanted: list[str], names: Set[str], idle: Set[str], free: int, limit: int
) -> None:
    keep = due(wanted, Found(names, names & idle, free, limit))
    if keep is None:
        return
    assert limit > 0
    assert len(set(keep.slots)) == len(keep.slots) > 0
    assert set(keep.slots) <= set(wanted)
    assert keep.there == set(keep.slots) & names
    assert keep.there <= names & idle
    assert len(set(keep.slots) - names) <= max(free, 0)
