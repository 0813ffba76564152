"""What is in a repository, what is wrong with it, and which backup is meant."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Copy, Verified, moment
from ansible_collections.runbook.postgres.plugins.module_utils._backup.ids import new_id
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import (
    Repository,
    open_backup,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.state import (
    NOTHING_KNOWN,
    STATE,
    State,
    read_state,
    write_state,
)
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from tests.unit.plugins.module_utils._backup.backups import made, manifest, stored
from tests.unit.plugins.module_utils._backup.entries import entry

AT = "2026-08-01T03:00:00Z"


@pytest.mark.parametrize(
    ("database", "start"),
    [("shop", "shop-all-"), ('a "b"/../c', "a-b-c-all-"), ("ß", "database-all-"), ("x" * 200, "x" * 80 + "-all-")],
)
def test_ids_read_well_and_are_safe(database: str, start: str) -> None:
    made_id = new_id(database, "all", datetime(2026, 8, 1, 2, tzinfo=timezone.utc), "0a1b2c")
    assert made_id == f"{start}20260801T020000Z-0a1b2c"


def test_an_absent_directory_has_no_backups(tmp_path: Path) -> None:
    assert Repository(tmp_path / "none").backups() == []
    assert Repository(tmp_path / "none").broken() == []


def test_the_next_is_newer_than_what_another_host_sent_elsewhere(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    assert repository.next_number('sh"op') == 1
    made(tmp_path, manifest(number=4))
    assert [repository.next_number(each) for each in ('sh"op', "other")] == [5, 1]
    # After a failover what is here begins anew, and a retention by count would remove the copy of each new backup.
    assert repository.next_number('sh"op', [entry(100, days=1), entry(99, days=2)]) == 101


def test_a_backup_and_its_entry(tmp_path: Path) -> None:
    told = made(tmp_path)
    [backup] = Repository(tmp_path).backups()
    entry = backup.entry()
    assert (backup.manifest, backup.damage()) == (told, [])
    assert (backup.dump.name, backup.globals) == ("dump.pgdump", backup.directory / "globals.sql")
    assert entry.good
    assert (entry.series.database, entry.series.kind) == ('sh"op', "all")
    assert entry.restorable_from == entry.restorable_to == moment("2026-08-01T02:00:00Z")
    assert entry.told()["lsn_start"] == "0/3000060"
    assert entry.told()["verified"] is None
    assert not entry.at_least("checksum")


def test_hidden_and_foreign_directories_are_no_backups(tmp_path: Path) -> None:
    told = made(tmp_path)
    (tmp_path / told.id).rename(tmp_path / f".{told.id}.partial")
    (tmp_path / "lost+found").mkdir()
    assert Repository(tmp_path).backups() == []
    assert Repository(tmp_path).broken() == []


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/null")


@pytest.mark.parametrize(
    ("harm", "seen_by_size", "words"),
    [
        (flip, False, "dump.pgdump of backup {id} does not hold what was written"),
        (cut, True, "dump.pgdump of backup {id} has 4999 bytes where 5000 were written"),
        (Path.unlink, True, "{id} lacks its file dump.pgdump"),
        (link, True, "{id} lacks its file dump.pgdump"),
    ],
)
def test_damage_is_named(tmp_path: Path, harm: Callable[[Path], None], seen_by_size: bool, words: str) -> None:
    told = made(tmp_path)
    [backup] = Repository(tmp_path).backups()
    harm(backup.dump)
    assert bool(backup.absences()) is seen_by_size
    [problem] = backup.damage()
    assert words.format(id=told.id) in problem
    assert backup.entry().good is not seen_by_size


def test_an_edited_manifest_makes_a_broken_backup(tmp_path: Path) -> None:
    told = made(tmp_path)
    path = tmp_path / told.id / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"rows": 3', '"rows": 4'), encoding="utf-8")
    assert Repository(tmp_path).backups() == []
    [broken] = Repository(tmp_path).broken()
    assert "edited or damaged" in broken.problem


def test_a_backup_in_a_directory_of_another_name_is_broken_and_can_be_opened_by_its_path(tmp_path: Path) -> None:
    told = made(tmp_path)
    (tmp_path / told.id).rename(tmp_path / told.id.replace("0a1b2c", "ffffff"))
    [broken] = Repository(tmp_path).broken()
    assert "name it so" in broken.problem
    assert open_backup(broken.directory).id == told.id


@pytest.mark.parametrize(
    "names", [{"files": (stored("../other", b""),)}, {"dump": "/etc/passwd"}, {"globals": "x/../../other"}]
)
def test_a_manifest_cannot_lead_out_of_its_directory(tmp_path: Path, names: Any) -> None:
    told = made(tmp_path)
    outside = replace(told, **names)
    (tmp_path / told.id / "manifest.json").write_text(outside.to_json(), encoding="utf-8")
    [broken] = Repository(tmp_path).broken()
    assert "is no file of the backup" in broken.problem


def some(place: Path, *, number: int, started: str, **other: object) -> str:
    day = started[8:10]
    told = manifest(
        id=f"x-all-202608{day}T020000Z-00000{number}", number=number, started=f"2026-08-{day}T02:00:00Z", **other
    )
    return made(place, told).id


def test_the_latest_is_the_last_one_taken_also_when_the_clock_was_set_back(tmp_path: Path) -> None:
    some(tmp_path, number=1, started="2026-08-05")
    second = some(tmp_path, number=2, started="2026-08-04")
    assert Repository(tmp_path).find("latest").id == second
    assert [each.manifest.number for each in Repository(tmp_path).backups()] == [1, 2]


def test_of_several_clusters_the_latest_is_the_own(tmp_path: Path) -> None:
    ours = some(tmp_path, number=1, started="2026-08-05")
    repository = Repository(tmp_path)
    # Of one cluster alone they are meant whoever asks: a host that replaces a lost one is another cluster.
    assert repository.find("latest", own=lambda: "1").id == ours
    theirs = some(tmp_path, number=2, started="2026-08-06", system_identifier="7000000000000000002")
    assert repository.find("latest", own=lambda: "7000000000000000001").id == ours
    assert repository.find("latest", own=lambda: "7000000000000000002").id == theirs
    with pytest.raises(Refused, match=r"several clusters.*0001, .*0002\), and none of 1,.* by its id"):
        repository.find("latest", own=lambda: "1")
    with pytest.raises(Refused, match="several clusters"):
        repository.find("latest")
    assert repository.find(theirs).id == theirs


def test_a_backup_that_does_not_know_whose_it_is_is_nobody_elses(tmp_path: Path) -> None:
    """Taken by a role that may not ask; it counts as long as no two others are in question."""
    some(tmp_path, number=1, started="2026-08-05")
    unknown = some(tmp_path, number=2, started="2026-08-06", system_identifier=None)
    repository = Repository(tmp_path)
    assert repository.find("latest", own=lambda: "7000000000000000001").id == unknown


def proof_failed(directory: Path) -> None:
    write_state(directory, NOTHING_KNOWN.failed("restore", "It does not restore.", AT))


def edit(directory: Path) -> None:
    path = directory / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"rows": 3', '"rows": 4'), encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda each: cut(each / "dump.pgdump"), "has 4999 bytes"),
        (proof_failed, "It does not restore"),
        (edit, "edited or damaged"),
    ],
)
def test_an_older_one_is_never_the_latest(tmp_path: Path, harm: Callable[[Path], None], words: str) -> None:
    first = some(tmp_path, number=1, started="2026-08-05")
    harm(tmp_path / some(tmp_path, number=2, started="2026-08-06"))
    repository = Repository(tmp_path)
    with pytest.raises(Refused, match=rf"{words}.*is taken by its id alone: {first}\."):
        repository.find("latest", database='sh"op')
    assert repository.find(first).id == first
    third = some(tmp_path, number=3, started="2026-08-07")
    assert repository.find("latest", database='sh"op').id == third


def test_what_is_broken_elsewhere_keeps_nobody_from_the_latest(tmp_path: Path) -> None:
    first = some(tmp_path, number=1, started="2026-08-05")
    other = tmp_path / some(tmp_path, number=2, started="2026-08-06")
    edit(other)
    other.rename(tmp_path / other.name.replace("-all-", "-schema-"))
    assert Repository(tmp_path).find("latest").id == first


def test_which_one_is_meant(tmp_path: Path) -> None:
    mine = some(tmp_path, number=1, started="2026-08-05", database="mine", content="schema")
    repository = Repository(tmp_path)
    assert repository.find(mine).id == mine
    assert repository.find("latest", database="mine", content="schema").id == mine
    with pytest.raises(Refused, match="no backup of database other"):
        repository.find("latest", database="other")
    with pytest.raises(Refused, match="no id of a backup"):
        repository.find("../../etc")
    with pytest.raises(Refused, match="There is no backup"):
        repository.find(mine.replace("000001", "000002"))
    some(tmp_path, number=1, started="2026-08-06", database="yours")
    with pytest.raises(Refused, match="several databases"):
        repository.find("latest")


def test_proofs_and_copies_are_kept_beside_the_manifest(tmp_path: Path) -> None:
    told = made(tmp_path)
    directory = tmp_path / told.id
    copy = Copy("vault:pg", "sha256", moment(AT))
    state = State({"checksum": AT, "restore": AT}, copies=(copy,))
    write_state(directory, state)
    assert read_state(directory) == state
    assert (directory / STATE).stat().st_mode & 0o777 == 0o600
    entry = open_backup(directory).entry()
    assert (entry.verified, entry.copies) == (Verified("restore", moment(AT)), (copy,))
    assert entry.at_least("list")


def test_a_failed_proof_is_a_problem(tmp_path: Path) -> None:
    told = made(tmp_path)
    write_state(tmp_path / told.id, State({"checksum": AT}, "It did not restore.", AT, "restore"))
    assert open_backup(tmp_path / told.id).entry().problems == ("It did not restore.",)


@pytest.mark.parametrize(
    ("failed", "held", "cleared"),
    [
        ("restore", "checksum", False),
        ("restore", "list", False),
        ("restore", "restore", True),
        ("list", "checksum", False),
        ("list", "restore", True),
        ("checksum", "checksum", True),
    ],
)
def test_a_failure_is_taken_back_by_a_proof_as_strong(tmp_path: Path, failed: str, held: str, *, cleared: bool) -> None:
    write_state(tmp_path, State({}).failed(failed, "It is none.", AT))
    state = read_state(tmp_path).held(held, AT)
    assert (state.failure is None) == cleared
    assert held in state.proofs


def test_what_failed_was_not_proven_as_strongly_before() -> None:
    state = State({"checksum": AT, "list": AT, "restore": AT}).failed("list", "It is none.", AT)
    assert state.verified == Verified("checksum", moment(AT))


def test_a_weaker_failure_takes_no_stronger_one_back() -> None:
    state = State({}).failed("restore", "It does not restore.", AT).failed("checksum", "It is cut.", AT)
    assert state.held("checksum", AT).failure == "It is cut."
    assert state.held("restore", AT).failure is None


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"proofs": {"restore": "soon"}, "failure": null, "failed_at": null, "copies": []}'],
)
def test_a_state_that_cannot_be_read_proves_nothing_and_may_hide_a_failure(tmp_path: Path, text: str) -> None:
    told = made(tmp_path)
    (tmp_path / told.id / STATE).write_text(text)
    [backup] = Repository(tmp_path).backups()
    assert not backup.state.proofs
    assert "verify it by restore" in backup.entry().problems[0]
    assert backup.state.held("checksum", AT).failure is not None
    assert backup.state.held("restore", AT).failure is None


def test_a_state_that_is_not_there_hides_nothing(tmp_path: Path) -> None:
    assert read_state(tmp_path) == NOTHING_KNOWN


def test_an_encrypted_backup_wants_a_key(tmp_path: Path) -> None:
    made(tmp_path, manifest(recipients=("age1x",)))
    [backup] = Repository(tmp_path).backups()
    with pytest.raises(Refused, match="no key was given"):
        backup.content("dump.pgdump")


def test_content_is_read_back(tmp_path: Path) -> None:
    made(tmp_path)
    [backup] = Repository(tmp_path).backups()
    with backup.content("globals.sql") as source:
        assert source.read(100) == b"CREATE ROLE reader;\n"


def test_a_directory_that_cannot_be_looked_into(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="cannot be looked into: Not a directory"):
        Repository(tmp_path / "file").backups()
