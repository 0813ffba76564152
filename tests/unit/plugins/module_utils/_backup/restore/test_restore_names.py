"""Names and notes: they fit, they are told apart, and they are read back as they were written."""

from __future__ import annotations

from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import marks, naming

NOW = datetime(2026, 8, 1, 2, 3, 4, tzinfo=timezone.utc)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: len(name.encode()) <= naming.LONGEST
)


@given(NAMES)
def test_every_name_fits_and_is_another(name: str) -> None:
    made = [naming.beside(name), naming.scratch(name), naming.staging(name), naming.kept(name, NOW)]
    assert all(0 < len(each.encode()) <= naming.LONGEST for each in made)
    assert name not in made


def test_names_that_are_cut_alike_are_not_alike() -> None:
    one, other = "é" * 30 + "a", "é" * 30 + "b"
    assert naming.beside(one) != naming.beside(other)


def test_what_is_kept_tells_what_it_was() -> None:
    assert naming.kept("shop", NOW) == "shop_before_20260801T020304Z"


def test_what_is_kept_is_known_by_its_name() -> None:
    kept = naming.kept("shop", NOW)
    assert naming.is_kept(kept, "shop")
    assert naming.is_kept(f"{kept}_2", "shop")
    assert not naming.is_kept("shop", "shop")
    assert not naming.is_kept(kept, kept)


@given(NAMES, st.one_of(st.none(), st.text()))
def test_notes_are_read_back_and_leave_the_owners_words(name: str, said: str | None) -> None:
    words = marks.without_notes(said)
    restored = marks.restored(said, "shop-all-20260801T020000Z-0a1b2c", NOW)
    assert marks.restored_from(restored) == "shop-all-20260801T020000Z-0a1b2c"
    kept = marks.kept(said, name, "b", NOW)
    assert marks.was(kept) == name
    assert marks.without_notes(restored) == marks.without_notes(kept) == words


@given(NAMES)
def test_a_journal_is_read_back(name: str) -> None:
    told = marks.Journal("b", name, marks.CHECKED, limit=7, closed=True, safety="s")
    assert marks.journal(marks.restoring(told)) == told


def test_other_comments_are_no_journal() -> None:
    for said in (None, "", "ours", "runbook.postgres: restoring x", 'runbook.postgres: restoring {"a": 1}'):
        assert marks.journal(said) is None
        assert marks.restored_from(said) is None
        assert marks.was(said) is None
    assert marks.was("runbook.postgres: kept, was shop") is None
