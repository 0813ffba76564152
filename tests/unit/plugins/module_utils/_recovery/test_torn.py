"""WAL that is known to be damaged is held against what the target needs, and against nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.proven import Proven, proven
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import SEGMENT_BYTES, Segment, read
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import Archive
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.lines import before_each
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.repository import Repository
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Target
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.torn import against, damaged, perhaps

from .listing import STANZA, backup, listing

BACKUP = backup("F1", 1000, "000000010000000000000003", "0/3000100")
KNOWN = read(listing(BACKUP), STANZA, 15, None)
FIRST = KNOWN.backups[0]
LINE = Archive(1)
# Timeline 2 began in segment 7.
BRANCHED = Archive(2, ((1, "0/7000100"),))


def segment(number: int, timeline: int = 1) -> Segment:
    return Segment(f"{timeline:08X}00000000{number:08X}")


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def at(seconds: int) -> Target:
    return Target("time", moment(seconds).isoformat(sep=" "))


def sentence(target: Target, archive: Archive, *torn: Segment) -> str:
    return against(target, replace(KNOWN, damaged=torn), archive, FIRST) or ""


@pytest.mark.parametrize(
    ("target", "archive", "torn"),
    [
        (Target("latest"), LINE, segment(5)),
        (Target("lsn", "0/5000000"), LINE, segment(5)),
        (Target("lsn", "0/9000000"), LINE, segment(5)),
        # All in the one before was written before that time.
        (at(2001), Archive(1, arrivals={segment(5).name: moment(2000)}), segment(5)),
        # The backup itself is nothing without it, whatever the target is.
        (Target("immediate"), LINE, segment(3)),
        (Target("xid", "7"), LINE, segment(3)),
        # On the way from one timeline to the next.
        (Target("latest"), BRANCHED, segment(6)),
        (Target("latest"), BRANCHED, segment(7, 2)),
    ],
)
def test_a_target_that_needs_it_is_refused_by_its_name(target: Target, archive: Archive, torn: Segment) -> None:
    said = sentence(target, archive, torn)
    assert torn.name in said
    assert said.endswith(".")
    assert ("choose another backup, this one cannot" in said) == (torn == segment(3))
    assert (f"a target before {torn.start} of timeline" in said) == (torn != segment(3))


@pytest.mark.parametrize(
    ("target", "archive", "torn"),
    [
        (Target("latest"), LINE, segment(2)),
        (Target("immediate"), LINE, segment(5)),
        (Target("lsn", "0/4FFFFFF"), LINE, segment(5)),
        (at(2000), Archive(1, arrivals={segment(5).name: moment(2000)}), segment(5)),
        (Target("name", "before"), LINE, segment(5)),
        # The way leaves timeline 1 before that, and the segment of the branch is read from timeline 2.
        (Target("latest"), BRANCHED, segment(8)),
        (Target("latest"), BRANCHED, segment(7)),
        (Target("latest"), LINE, segment(8, 2)),
    ],
)
def test_what_needs_it_not_is_not_refused(target: Target, archive: Archive, torn: Segment) -> None:
    assert sentence(target, archive, torn) == ""


def test_what_only_the_replay_finds_is_warned_of() -> None:
    known = replace(KNOWN, damaged=(segment(5), segment(6)))
    for target in (Target("xid", "7"), at(2000)):
        [warning] = perhaps(target, known, LINE, FIRST)
        assert f"{segment(5).name} is damaged" in warning
        assert "only where it is before 0/5000000 of timeline 1" in warning
    assert list(perhaps(Target("lsn", "0/4000000"), known, LINE, FIRST)) == []
    assert list(perhaps(Target("xid", "7"), KNOWN, LINE, FIRST)) == []


@pytest.mark.parametrize(
    ("known", "names"),
    [
        ({1: {"15-1/A", "14-1/B"}}, []),
        ({1: {"15-1/A", "15-1/B"}, 2: {"15-2/A"}}, ["A"]),
        # Of the other one nothing is known; that it has it whole may well be.
        ({2: {"15-2/A"}}, []),
    ],
)
def test_what_one_repository_has_whole_is_not_damaged(known: Mapping[int, set[str]], names: list[str]) -> None:
    told = {number: frozenset(each) for number, each in known.items()}
    assert [each.name for each in damaged(told, ((1, "15-1"), (2, "15-2")), SEGMENT_BYTES)] == names


def test_when_the_one_before_it_arrived_the_archive_says(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {f"{segment(4).name}-{'a' * 40}.zst": {"time": 2000}, f"{segment(3).name}-{'b' * 40}": {"time": 1}}
    asked: list[str] = []

    def listed(_self: Repository, _number: int, place: str) -> Mapping[str, object]:
        asked.append(place)
        return there

    monkeypatch.setattr(Repository, "listed", listed)
    found = before_each(Repository(STANZA), replace(KNOWN, damaged=(segment(5), segment(9))))
    assert found == {segment(5).name: moment(2000)}
    assert asked == [f"archive/{STANZA}/15-1/0000000100000000"]


def test_what_was_written_down_is_read_and_anything_else_is_nothing(tmp_path: Path) -> None:
    file = tmp_path / "backup-demo.json"
    assert proven("demo", tmp_path) == Proven()
    for text in ("no json", "[]", '{"repositories": 7}'):
        file.write_text(text)
        assert proven("demo", tmp_path) == Proven()
    file.write_text(
        '{"repositories": {"1": {"damaged_wal": ["15-1/A"], "backups":'
        ' {"F1": {"problems": ["One.", "Two."]}, "F2": {"problems": []}}}, "2": {}}}'
    )
    assert proven("demo", tmp_path) == Proven({1: frozenset({"15-1/A"}), 2: frozenset()}, {(1, "F1"): "One. Two."})
