"""Which backup leads to a target, and which targets none leads to."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.drilled import Drilled
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import (
    Segment,
    Stanza,
    judged,
    read,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import (
    Archive,
    beyond,
    choose,
    wrong_timeline,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Target

from .listing import CLUSTER, STANZA, backup, listing

FIRST = backup("F1", 1000, "000000010000000000000003", "0/3000100")
SECOND = backup("F2", 2000, "000000010000000000000005", "0/5000100")
OLD = backup("F0", 500, "000000010000000000000002")
NEXT = backup("F3", 3000, "000000020000000000000008", "0/8000100")
LINE = Archive(1)
BAD = Drilled(2, "F0", datetime(2030, 2, 1, tzinfo=timezone.utc), "It is damaged.")


def stanza(*backups: dict[str, object], **more: str) -> Stanza:
    return read(listing(*backups, **more), STANZA, 15, None)


def at(seconds: int, *, inclusive: bool = True) -> Target:
    return Target("time", datetime.fromtimestamp(seconds, timezone.utc).isoformat(sep=" "), inclusive)


@pytest.mark.parametrize(
    ("target", "label"),
    [
        (Target("latest"), "F2"),
        (Target("immediate"), "F2"),
        (Target("xid", "77"), "F2"),
        (at(2001), "F2"),
        (at(2000), "F1"),
        (at(1500), "F1"),
        (at(600), "F0"),
        (Target("lsn", "0/5000100"), "F2"),
        (Target("lsn", "0/50000FF"), "F1"),
        # Its own position is not known, so the end of the segment that holds it counts.
        (Target("lsn", "0/3000000"), "F0"),
    ],
)
def test_the_newest_backup_from_which_it_can_be_reached(target: Target, label: str) -> None:
    found = choose(target, stanza(SECOND, OLD, FIRST), LINE)
    assert found.backup is not None
    assert found.backup.label == label


def test_one_with_broken_pages_is_begun_with_only_where_there_is_no_other() -> None:
    known = stanza(FIRST, {**SECOND, "error": True})
    found = choose(Target("latest"), known, LINE)
    assert found.backup == known.backups[0]
    assert found.warnings == (
        "Backup F1 is begun with and not F2: Pages of the cluster were broken when it was taken.",
    )
    named = choose(Target("latest"), known, LINE, "F2")
    assert named.backup == known.backups[1]
    assert "did not match their checksums when backup F2 was taken" in named.warnings[0]
    assert choose(Target("latest"), known, LINE, faulty=True).backup == known.backups[1]
    assert choose(Target("immediate"), known, LINE).backup == known.backups[1]
    assert not choose(Target("latest"), stanza(FIRST, SECOND), LINE).warnings


def test_one_that_a_drill_found_damaged_is_begun_with_only_where_there_is_no_other() -> None:
    when = datetime(2030, 2, 1, tzinfo=timezone.utc)
    drills = {(1, "F2"): Drilled(1, "F2", when, "No WAL."), (1, "F1"): Drilled(1, "F1", when), (2, "F0"): BAD}
    # A proof of the repository found the first one damaged as well, and the oldest in another repository.
    problems = {(1, "F1"): "A file is missing.", (2, "F0"): "It is damaged."}
    both = judged(stanza(FIRST, SECOND, OLD), drills, problems)
    assert "F0 is begun with and not F1: A file is missing." in choose(Target("latest"), both, LINE).warnings[0]
    assert choose(Target("latest"), both, LINE, "F2").warnings[0].endswith("No WAL.")
    known = judged(stanza(FIRST, SECOND, OLD), drills, {})
    found = choose(Target("latest"), known, LINE)
    assert found.backup is not None
    assert found.backup.label == "F1"
    said = "A drill of 2030-02-01 00:00:00 UTC found it to be damaged: No WAL."
    assert found.warnings == (f"Backup F1 is begun with and not F2: {said}",)
    assert choose(Target("latest"), known, LINE, "F2").warnings == (f"Backup F2 is begun with all the same: {said}",)
    # Of another repository, that says nothing.
    assert not choose(at(600), known, LINE).warnings
    # A drill is of the newest, whatever is known of it.
    assert choose(Target("latest"), known, LINE, faulty=True).backup == known.backups[2]


@pytest.mark.parametrize("target", [at(499), at(500), Target("lsn", "0/2000100")])
def test_before_every_backup_is_refused_with_the_earliest_there_is(target: Target) -> None:
    found = choose(target, stanza(FIRST, OLD, SECOND), LINE)
    assert found.backup is None
    assert "before the end of every backup" in found.refusals[0]
    assert "F0" in found.refusals[0]


def test_a_backup_that_is_named_has_to_be_there_and_early_enough() -> None:
    known = stanza(FIRST, SECOND)
    assert choose(at(3000), known, LINE, "F1").backup == known.backups[0]
    assert "before the end" in choose(at(1500), known, LINE, "F2").refusals[0]
    assert "has no backup F9" in choose(at(1500), known, LINE, "F9").refusals[0]
    assert "no backup that could be used" in choose(at(1500), stanza(), LINE).refusals[0]


def test_timelines_are_followed_by_their_history() -> None:
    known = stanza(FIRST, SECOND, NEXT, last="000000020000000000000009")
    left_after_both = Archive(2, ((1, "0/7000000"),))
    assert choose(Target("latest"), known, left_after_both).backup == known.backups[2]
    # It was left before the second one was taken.
    assert choose(at(2500), known, Archive(2, ((1, "0/4000000"),))).backup == known.backups[0]
    assert choose(Target("latest"), known, LINE).backup == known.backups[1]
    assert "knows no timeline 4" in choose(Target("latest"), known, Archive(4, None)).refusals[0]
    assert "leads to timeline 3" in choose(Target("latest"), known, Archive(3, ((7, "0/1"),))).refusals[0]
    assert choose(Target("latest"), known, Archive()).backup == known.backups[2]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (at(10), None),
        (at(2001), "in the future"),
        (at(1500), "beyond the archive"),
        (at(1400), "beyond the archive"),
        (at(1400, inclusive=False), None),
        (at(1399), None),
        (Target("lsn", "0/AFFFFFF"), None),
        (Target("lsn", "0/B000000"), "beyond the archive"),
        (Target("latest"), None),
    ],
)
def test_beyond_the_archive(target: Target, words: str | None) -> None:
    archive = Archive(1, (), datetime.fromtimestamp(1400, timezone.utc))
    found = list(beyond(target, stanza(FIRST), archive, 2000.0, more_wal=False))
    assert len(found) == (0 if words is None else 1)
    assert all(words in each for each in found if words is not None)
    later = list(beyond(target, stanza(FIRST), archive, 2000.0, more_wal=True))
    assert bool(later) == (words == "in the future")


def test_a_timeline_that_nobody_named_has_to_come_from_our_own() -> None:
    assert wrong_timeline(1, (), 1) is None
    assert wrong_timeline(1, ((1, "0/5"),), 2) is None
    assert wrong_timeline(2, (), None) is None
    assert "timeline 3" in str(wrong_timeline(3, ((1, "0/5"),), 2))


def test_segments_know_where_they_are() -> None:
    segment = Segment("00000002000000010000000F")
    assert (segment.timeline, segment.start, segment.end) == (2, "1/F000000", "1/10000000")
    assert Segment("000000010000000100000000").before().name == "0000000100000000000000FF"
    small = Segment("000000010000000100000000", 1 << 20)
    assert (small.start, small.before().name) == ("1/0", "000000010000000000000FFF")


def test_the_listing_is_read_as_every_release_writes_it() -> None:
    found = stanza(OLD, FIRST)
    assert found.system_identifier == str(CLUSTER)
    assert [each.stop_lsn for each in found.backups] == [None, "0/3000100"]
    # A backup whose WAL never came is none.
    assert not stanza(backup("F9", 9, "000000010000000000000003", archive={"start": None, "stop": None})).backups


@pytest.mark.parametrize(
    ("told", "version", "words"),
    [
        ([], 15, "knows no stanza"),
        (listing(FIRST), 17, "holds backups of PostgreSQL 15"),
        (listing(db=[], status={"code": 99, "message": "other"}), 15, "cannot be read (other)"),
    ],
)
def test_a_listing_that_is_of_no_use_is_refused(told: object, version: int, words: str) -> None:
    with pytest.raises(Refused, match=words.replace("(", r"\(").replace(")", r"\)")):
        read(told, STANZA, version, None)
