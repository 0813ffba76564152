"""Whose WAL goes on where other data ends."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch, ancestors, later, position

TO_3 = ((1, "0/64"), (2, "0/C8"))


def test_positions() -> None:
    assert position("1/A0000000") == (1 << 32) + 0xA0000000
    assert later("0/FF", None, "0/100") == "0/100"
    assert later(None) == "0/0"


def test_a_history_is_read_with_its_comments() -> None:
    assert ancestors("1\t0/64\tno recovery target specified\n\n2\t0/c8\tbefore 2026\n# a word\n") == TO_3
    assert ancestors("nonsense\n1 nonsense\n") == ()


@pytest.mark.parametrize(
    ("here", "there", "says"),
    [
        (Branch(1, "0/5A"), Branch(1, "0/5F"), None),
        (Branch(1, "0/5F"), Branch(1, "0/5F"), None),
        (Branch(1, "0/60"), Branch(1, "0/5F"), "at 0/60 of timeline 1, past the upstream, which is at 0/5F"),
        (Branch(1, "0/64"), Branch(3, "0/12C", TO_3), None),
        (Branch(1, "0/65"), Branch(3, "0/12C", TO_3), "past 0/64, where the upstream's timeline 3 began"),
        (Branch(2, "0/96", TO_3[:1]), Branch(3, "0/12C", TO_3), None),
        (Branch(2, "0/C9", TO_3[:1]), Branch(3, "0/12C", TO_3), "past 0/C8"),
        (Branch(4, "0/FA", TO_3), Branch(3, "0/12C", TO_3), "none of those that led to the upstream's 3"),
        # The same number, and another branch.
        (Branch(2, "0/96", ((1, "0/50"),)), Branch(2, "0/12C", TO_3[:1]), "it left timeline 1 at 0/50"),
        (Branch(3, "0/FA", ((1, "0/64"), (2, "0/BE"))), Branch(3, "0/12C", TO_3), "left timeline 2"),
        # Written with other zeros, and the same.
        (Branch(2, "0/96", ((1, "0/00000064"),)), Branch(3, "0/12C", TO_3), None),
    ],
)
def test_where_ways_part(here: Branch, there: Branch, says: str | None) -> None:
    why = here.parting(there, "upstream", ahead_counts=True)
    assert why is None if says is None else why is not None and says in why


def test_one_that_only_receives_may_be_behind() -> None:
    assert Branch(1, "0/60").parting(Branch(1, "0/5F"), ahead_counts=False) is None


def test_a_later_timeline_descends_from_those_that_it_began_on() -> None:
    third = Branch(3, "0/12C", TO_3)
    assert third.descends_from(Branch(1, "0/5A"))
    assert third.descends_from(Branch(2, "0/96", TO_3[:1]))
    assert not third.descends_from(Branch(2, "0/96", ((1, "0/50"),)))
    assert not third.descends_from(Branch(4, "0/96"))
    assert not third.descends_from(third)
    assert third.rank > Branch(4, "1/0").rank


@pytest.mark.parametrize(
    ("here", "there", "fork"),
    [
        # Nobody has left the timeline that both are on.
        (Branch(1, "0/60"), Branch(1, "0/5F"), None),
        (Branch(3, "0/130", TO_3), Branch(3, "0/12C", TO_3), None),
        (Branch(1, "0/60"), Branch(3, "0/12C", TO_3), (1, "0/64")),
        (Branch(3, "0/12C", TO_3), Branch(1, "0/60"), (1, "0/64")),
        (Branch(2, "0/D0", TO_3[:1]), Branch(3, "0/12C", TO_3), (2, "0/C8")),
        # Two promotions, at different points: the earlier is where they part.
        (Branch(2, "0/D0", ((1, "0/50"),)), Branch(3, "0/12C", TO_3), (1, "0/50")),
        (Branch(4, "0/D0", ((1, "0/64"),)), Branch(3, "0/12C", TO_3), (1, "0/64")),
        (Branch(2, "0/D0", ((1, "0/50"),)), Branch(2, "0/12C", TO_3[:1]), (1, "0/50")),
        # Nothing in common.
        (Branch(7, "0/60"), Branch(3, "0/12C", TO_3), None),
    ],
)
def test_the_point_where_ways_part(here: Branch, there: Branch, fork: tuple[int, str] | None) -> None:
    assert here.fork(there) == fork


@pytest.mark.parametrize(
    ("branch", "fork", "pieces"),
    [
        (Branch(1, "0/70"), (1, "0/64"), ((1, "0/64", None),)),
        (Branch(3, "0/12C", TO_3), (1, "0/50"), ((1, "0/50", "0/64"), (2, "0/64", "0/C8"), (3, "0/C8", None))),
        (Branch(3, "0/12C", TO_3), (2, "0/C0"), ((2, "0/C0", "0/C8"), (3, "0/C8", None))),
    ],
)
def test_what_lies_past_a_point(branch: Branch, fork: tuple[int, str], pieces: object) -> None:
    assert branch.pieces(fork) == pieces
