"""Whose timeline the highest number is: of a failover's new primary, or of a server that was thrown away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Line, Segment, Stanza, read
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import Archive
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.lines import look
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.repository import Repository
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.rivals import Reach, contested
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Target

from .listing import STANZA, backup, listing

LATEST = Target("latest")
# Timeline 2 left 1 there and then.
LEFT = "0/4000000"
PARTED = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
MINUTE, WEEKS = timedelta(minutes=1), timedelta(days=14)
FIRST = backup("F1", int((PARTED - WEEKS).timestamp()), "000000010000000000000003", "0/3000100")


def line(last: str, after: timedelta) -> Line:
    return Line(None, Segment(last), PARTED + after)


def older(after: timedelta, last: str = "000000010000000000000009") -> Line:
    return line(last, after)


def newer(after: timedelta | None) -> Line:
    if after is None:
        return Line(PARTED)
    return Line(PARTED, Segment("000000020000000000000006"), PARTED + after)


def archive(*lines: Line) -> Archive:
    return Archive(2, ((1, LEFT),), lines=dict(enumerate(lines, 1)))


def stanza(*backups: dict[str, Any]) -> Stanza:
    return read(listing(FIRST, *backups, last="000000020000000000000006"), STANZA, 15, None)


def taken(timeline: int, after: timedelta) -> dict[str, Any]:
    when = int((PARTED + after).timestamp())
    return backup(f"F{timeline}{after.days}", when, f"0000000{timeline}0000000000000008", "0/8000100")


def own(after: timedelta, lsn: str = "0/4100000", timeline: int = 1) -> Reach:
    return Reach("instance 15/main", timeline, lsn, PARTED + after)


@pytest.mark.parametrize(
    ("known", "lines", "here"),
    [
        # A failover: what the lost primary had of its own came before, or as it was stopped.
        (stanza(), (older(-MINUTE), newer(MINUTE)), own(-MINUTE)),
        (stanza(), (older(MINUTE), newer(5 * MINUTE)), own(MINUTE)),
        (stanza(taken(2, WEEKS)), (older(MINUTE), newer(MINUTE / 2)), own(MINUTE)),
        (stanza(), (older(-MINUTE), newer(None)), None),
        # Before a recovery to a point in time there was more, backups as well.
        (stanza(taken(1, -MINUTE)), (older(-MINUTE), newer(None)), own(MINUTE, "0/4000200", 2)),
        # A server that was told to archive what it had before timeline 2 began.
        (stanza(), (older(WEEKS, "000000010000000000000003"), newer(MINUTE)), own(WEEKS, "0/3F00000")),
        # It runs on the latest, whose WAL waits to be archived.
        (stanza(), (older(MINUTE), newer(None)), own(WEEKS, "0/5000000", 2)),
    ],
)
def test_after_a_failover_or_a_recovery_the_latest_is_taken(
    known: Stanza, lines: tuple[Line, ...], here: Reach | None
) -> None:
    assert contested(LATEST, known, archive(*lines), here) is None


@pytest.mark.parametrize(
    ("known", "lines", "here", "words"),
    [
        (stanza(taken(1, WEEKS)), (older(MINUTE), newer(MINUTE)), None, "backup F114 is at 0/8000100"),
        (stanza(), (older(WEEKS), newer(MINUTE)), None, "the last archived WAL is at 0/A000000"),
        (stanza(), (older(MINUTE), newer(MINUTE)), own(WEEKS), "instance 15/main is at 0/4100000"),
        (stanza(), (older(MINUTE), newer(None)), None, "of 2 there is its beginning alone, 2026-05-01 12:00:00 UTC"),
        # Both serve until today, in two places.
        (stanza(), (older(WEEKS), newer(WEEKS + MINUTE)), None, "2026-05-15 12:01:00 UTC"),
        (stanza(taken(1, WEEKS), taken(2, 2 * WEEKS)), (older(MINUTE), newer(WEEKS)), None, "backup F114"),
        # Nothing tells of its beginning or its end.
        (stanza(), (older(MINUTE),), None, "nothing is of it"),
    ],
)
def test_where_the_cluster_went_on_elsewhere_a_person_says_which(
    known: Stanza, lines: tuple[Line, ...], here: Reach | None, words: str
) -> None:
    told = contested(LATEST, known, archive(*lines), here)
    assert told is not None
    assert told.startswith("The archive's latest timeline, 2, left 1 at 0/4000000, and the cluster went on there")
    assert words in told
    assert told.endswith("say in timeline which of them is meant, 1 or 2.")


def test_a_timeline_that_is_no_ancestor_counts_from_its_beginning() -> None:
    found = Archive(3, ((1, LEFT),), lines={2: newer(WEEKS), 3: Line(PARTED)})
    assert "3, did not come from 2, and" in str(contested(LATEST, stanza(), found, None))


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (Target("immediate"), False),
        (Target("lsn", LEFT), False),
        (Target("lsn", "0/4000001"), True),
        (Target("time", (PARTED - MINUTE).isoformat()), False),
        (Target("time", (PARTED + MINUTE).isoformat()), True),
        (Target("name", "before the migration"), True),
    ],
)
def test_what_is_before_they_parted_is_the_same_on_both(target: Target, told: bool) -> None:
    assert (contested(target, stanza(), archive(older(WEEKS), newer(MINUTE)), None) is not None) == told


def test_nothing_is_said_where_nobody_could_be_asked() -> None:
    assert contested(LATEST, stanza(), Archive(None), None) is None
    assert contested(LATEST, stanza(), Archive(1), own(WEEKS)) is None


def test_the_ends_are_found_without_listing_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, half = "-" + "a" * 40 + ".zst", ".partial-" + "b" * 40 + ".zst"
    place = f"archive/{STANZA}/15-1"
    files: Mapping[str, Mapping[str, Any]] = {
        place: {
            ".": {},
            "00000002.history": {"time": PARTED.timestamp()},
            **{name: {} for name in ("0000000100000000", "0000000100000001", "0000000100000002", "0000000200000001")},
        },
        # Its one file is what a promotion left half.
        f"{place}/0000000100000002": {f"000000010000000200000000{half}": {"time": 9}},
        f"{place}/0000000100000001": {
            f"0000000100000001000000FE{whole}": {"time": 7},
            f"0000000100000001000000FF{whole}": {"time": 8},
            "0000000100000001000000FF.00000028.backup": {"time": 9},
        },
        f"{place}/0000000200000001": {f"000000020000000100000002{half}": {"time": 9}},
    }
    monkeypatch.setattr(Repository, "listed", lambda _self, number, asked: files[asked] if number == 1 else {})
    found = look(Repository(STANZA), stanza())
    assert found == {
        1: Line(None, Segment("0000000100000001000000FF"), datetime.fromtimestamp(8, timezone.utc)),
        2: Line(PARTED),
    }
