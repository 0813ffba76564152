"""The archive is listed once a run, from what a kept backup needs on, and its silence is no failure."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.catalogue import gaps, observe
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.wal import Wal, needed, since
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem

PLACE = "archive/ledger/15-1"


def name(number: int, timeline: int = 1) -> str:
    return f"{timeline:08X}{number // 256:08X}{number % 256:08X}"


class Repository:
    """Stands for pgBackRest: what is in it, and which questions it was asked."""

    stanza = "ledger"

    def __init__(self, numbers: range) -> None:
        self.segments = [name(number) for number in numbers]
        self.first = self.segments[0]
        self.asked: list[tuple[str, ...]] = []
        self.answers = True
        self.histories: dict[str, str] = {}

    def about(self) -> dict[str, Any]:
        database = {"id": 1, "repo-key": 1}
        backup = {
            "label": "20300101-000000F",
            "type": "full",
            "archive": {"start": self.first, "stop": self.first},
            "database": database,
            "info": {"size": 100, "repository": {"delta": 10}},
            "timestamp": {"start": 1893456000, "stop": 1893456060},
        }
        return {
            "archive": [{"id": "15-1", "database": database}, {"id": "15-1", "database": {"id": 1, "repo-key": 2}}],
            "backup": [backup],
            "db": [{"id": 1, "repo-key": 1, "system-id": 7, "version": "15"}],
        }

    def json(self, command: str, *arguments: str, **_more: Any) -> Any:
        if command == "info":
            return [self.about()]
        assert (command, arguments[0]) == ("repo-ls", "--repo=1")
        self.asked.append(arguments[1:])
        if not self.answers:
            raise Problem("pgbackrest repo-ls did not end within 300 s.")
        files = {f"{each}-{'a' * 40}.zst": {"type": "file", "time": 1893456000} for each in self.segments}
        if arguments[1:] == (PLACE,):
            told = {each: {"type": "file", "time": 1893456000} for each in self.histories}
            return {".": {"type": "path"}, **told, **{each[:16]: {"type": "path"} for each in files}}
        if arguments[1:] == ("--recurse", PLACE):
            return {f"{each[:16]}/{each}": about for each, about in files.items()}
        directory = arguments[-1].rpartition("/")[2]
        return {each: about for each, about in files.items() if each[:16] == directory}

    def run(self, command: str, *arguments: str, **_more: Any) -> str:
        assert (command, arguments[0]) == ("repo-get", "--repo=1")
        self.asked.append((command, *arguments[1:]))
        return self.histories[arguments[-1].rpartition("/")[2]]


def wal(repository: Repository) -> Wal:
    return Wal(repository, 1)  # type: ignore[arg-type]


def test_what_no_backup_needs_is_not_listed() -> None:
    """Of 10 TB of WAL the last 8 GB are of use."""
    repository = Repository(range(2560))
    repository.first = name(2100)
    found = wal(repository).look(repository.about())
    assert repository.asked == [(PLACE,), (f"{PLACE}/0000000100000008",), (f"{PLACE}/0000000100000009",)]
    assert min(found["15-1"].segments) == 2048
    assert found["15-1"].reach(repository.first)[0] is not None


def test_where_most_is_needed_one_call_lists_it() -> None:
    repository = Repository(range(2560))
    assert len(wal(repository).look(repository.about())["15-1"].segments) == 2560
    assert repository.asked == [(PLACE,), ("--recurse", PLACE)]


def test_later_looks_list_only_where_more_may_have_come() -> None:
    repository = Repository(range(5120))
    late = repository.segments.pop(5110)
    run = wal(repository)
    assert run.look(repository.about())["15-1"].reach(name(0))[1] == late
    repository.segments += [late, name(5120), name(5121)]
    repository.asked.clear()
    last, missing = run.look(repository.about())["15-1"].reach(name(0))
    assert (last and last.number, missing) == (5121, None)
    assert repository.asked == [(PLACE,), *((f"{PLACE}/00000001{each:08X}",) for each in (18, 19, 20))]


def test_of_each_timeline_that_has_it() -> None:
    directories = ["0000000100000008", "0000000200000007", "0000000200000008", "0000000300000010"]
    assert since(directories, name(0x8FF, 2)) == ["0000000100000008", "0000000200000008", "0000000300000010"]


def test_without_a_backup_nothing_is_needed() -> None:
    repository = Repository(range(4))
    about = {**repository.about(), "backup": []}
    assert (needed(about, 1), wal(repository).look(about), repository.asked) == ({}, {}, [])
    assert needed(repository.about(), 2) == {}


def test_an_archive_that_cannot_be_listed_makes_no_backup_worse() -> None:
    repository = Repository(range(4))
    repository.answers = False
    run = wal(repository)
    for _ in range(2):
        found = observe(repository, 1, {}, run)  # type: ignore[arg-type]
        assert found.entries[0].good
        [told] = gaps(found)
        assert told.startswith("The WAL in repository 1 was not listed")
        assert told.endswith("pgbackrest repo-ls did not end within 300 s.")
    # Nobody waits for it twice.
    assert repository.asked == [(PLACE,)]


def test_where_timelines_parted_is_read_once() -> None:
    """A recovery went back to 3, and 5 of what came since is missing."""
    repository = Repository(range(9))
    repository.segments += [name(number, 2) for number in (3, 4, 6)]
    repository.histories = {"00000002.history": "1\t0/3000100\tbefore 2030\n"}
    run = wal(repository)
    for _ in range(2):
        last, missing = run.look(repository.about())["15-1"].reach(name(0))
        assert (last and (last.timeline, last.number), missing) == ((2, 4), name(5, 2))
    assert [each for each in repository.asked if each[0] == "repo-get"] == [("repo-get", f"{PLACE}/00000002.history")]


def test_what_is_damaged_counts_as_missing() -> None:
    repository = Repository(range(10))
    found = Wal(repository, 1, frozenset([f"15-1/{name(4)}", f"14-1/{name(5)}"])).look(repository.about())  # type: ignore[arg-type]
    assert sorted(set(range(10)) - set(found["15-1"].segments)) == [4]
