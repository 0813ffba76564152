"""How far the WAL of a repository reaches."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.archive import latest_history, read

HASH = "0" * 40


def listed(*names: str) -> dict[str, Any]:
    files = {f"{name[:16]}/{name}-{HASH}.zst": {"type": "file", "time": 10 + place} for place, name in enumerate(names)}
    others = ("0000000100000000/000000010000000000000003.partial-" + HASH, "00000002.history", ".")
    return {**files, **{name: {"type": "file", "time": 1} for name in others}}


def segment(number: int, timeline: int = 1) -> str:
    return f"{timeline:08X}{number // 256:08X}{number % 256:08X}"


def test_without_a_gap_it_reaches_to_the_last() -> None:
    last, missing = read(listed(*map(segment, range(3, 9)))).reach(segment(4))
    assert last is not None
    assert (last.number, missing) == (8, None)


def test_a_gap_ends_it_and_is_named() -> None:
    last, missing = read(listed(segment(3), segment(4), segment(6))).reach(segment(3))
    assert last is not None
    assert (last.number, missing) == (4, segment(5))


def test_what_a_backup_begins_with_may_be_missing() -> None:
    assert read(listed(segment(6))).reach(segment(3)) == (None, segment(3))
    assert read(listed()).reach(segment(3)) == (None, None)


def test_it_goes_on_over_a_promotion_and_from_one_file_to_the_next() -> None:
    last, missing = read(listed(segment(254), segment(255), segment(256, 2), segment(257, 2))).reach(segment(254))
    assert last is not None
    assert (last.timeline, last.number, missing) == (2, 257, None)


def test_larger_segments_are_fewer_in_each_file() -> None:
    names = [f"{1:08X}{file:08X}{place:08X}" for file, place in ((0, 62), (0, 63), (1, 0), (1, 1))]
    archive = read(listed(*names))
    assert archive.reach(names[0])[1] is None
    assert archive.name(archive.number(names[3]), 1) == names[3]


@given(st.sets(st.integers(0, 2000), min_size=2), st.data())
def test_the_first_that_is_missing_is_named_and_no_other(numbers: set[int], data: st.DataObject) -> None:
    first = data.draw(st.sampled_from(sorted(numbers)))
    archive = read(listed(*map(segment, sorted(numbers | {0, 255, 256}))))
    there = numbers | {0, 255, 256}
    absent = next(number for number in range(first, 3000) if number not in there)
    _, missing = archive.reach(segment(first))
    assert missing == (segment(absent) if absent < max(there) else None)


# Timeline 1 went to 99, was left in 50 and is followed by 2, whose 55 never arrived.
WENT = [segment(number) for number in range(40, 100)]
SINCE = [segment(number, 2) for number in range(50, 61) if number != 55]
PARTED = ("00000002.history", f"1\t{0x32800000 >> 32:X}/{0x32800000:X}\tno recovery target specified\n")


def test_after_a_recovery_the_latest_timeline_counts_and_its_gaps_are_seen() -> None:
    archive = read(listed(*WENT, *SINCE), PARTED)
    last, missing = archive.reach(segment(45))
    assert last is not None
    assert (last.timeline, last.number, missing) == (2, 54, segment(55, 2))
    assert archive.goes_on(segment(55, 2)) == 56
    last, missing = archive.reach(segment(56, 2))
    assert last is not None
    assert (last.number, last.arrived, missing) == (60, datetime.fromtimestamp(79, timezone.utc), None)


def test_a_backup_of_what_was_left_behind_goes_on_there() -> None:
    """It ends past the fork, and nothing of timeline 2 follows it."""
    last, missing = read(listed(*WENT, *SINCE), PARTED).reach(segment(80))
    assert last is not None
    assert (last.timeline, last.number, missing) == (1, 99, None)


def test_until_the_new_timeline_has_the_segment_of_the_fork_the_old_one_serves() -> None:
    archive = read(listed(*WENT), PARTED)
    last, missing = archive.reach(segment(45))
    assert last is not None
    assert (last.timeline, last.number, missing) == (1, 50, None)
    # A gap is of the timeline that is to have it.
    lost = [each for each in SINCE if each not in {segment(50, 2), segment(51, 2)}]
    assert read(listed(*WENT, *lost), PARTED).reach(segment(45))[1] == segment(51, 2)
    assert read(listed(*WENT[:5], *SINCE), PARTED).reach(segment(44))[1] == segment(45)
    assert read(listed(*WENT[5:], *SINCE), PARTED).reach(segment(44)) == (None, segment(44))


def test_the_latest_history_is_the_one_of_the_highest_timeline() -> None:
    assert latest_history(["00000002.history", "0000000A.history", "00000009.history", "0000000100000000"]) == (
        "0000000A.history"
    )
    assert latest_history(["0000000100000000"]) is None
