"""One run at a time, and what an earlier one left goes."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup import place as places
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._orphans import running

ID = "shop-all-20260801T020000Z-0a1b2c"


def test_a_second_run_is_refused_and_the_lock_ends_with_the_first(tmp_path: Path) -> None:
    with places.alone(tmp_path, "shop", "database shop"):
        assert places.holder(tmp_path, "shop") == str(os.getpid())
        assert not places.holder(tmp_path, "other")
        [warning] = places.foreseen(tmp_path, "shop", "database shop")
        assert f"database shop in {tmp_path} (process {os.getpid()}): what it does is not foreseen" in warning
        with pytest.raises(Refused, match="Another run is at work"), places.alone(tmp_path, "shop", "database shop"):
            pass
    assert not places.holder(tmp_path, "shop")
    assert places.foreseen(tmp_path, "shop", "database shop") == []
    with places.alone(tmp_path, "shop", "database shop"):
        pass


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be written to"), places.alone(tmp_path / "none", "shop", "shop"):
        pass


def test_only_leftovers_of_this_database_are_cleared(tmp_path: Path) -> None:
    mine = [f".{ID}.partial", f".{ID}.removing", f".{ID}.progress.json", f".{ID}.progress.json.new"]
    for name in (mine[0], mine[1], ID, f".shop-2-all-{ID[9:]}.partial", f".{ID}.other"):
        (tmp_path / name / "dump").mkdir(parents=True)
    for name in mine[2:]:
        (tmp_path / name).touch()
    assert [each.name for each in places.leftovers(tmp_path, "shop")] == sorted(mine)
    assert places.clear(tmp_path, "shop") == sorted(mine)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        [ID, f".shop-2-all-{ID[9:]}.partial", f".{ID}.other"]
    )
    assert places.leftovers(tmp_path / "none", "shop") == []


def test_a_dump_that_goes_on_without_its_module_is_ended(tmp_path: Path) -> None:
    partial = places.partial_directory(tmp_path, ID)
    partial.mkdir()
    argv = ["pg_dump", "-c", "while :; do sleep 0.1; done", f"--file={partial}/dump"]
    with subprocess.Popen(argv, executable="/bin/sh") as orphan:
        # A process that was just made has no arguments for a moment.
        while not running("pg_dump", str(partial)):
            time.sleep(0.01)
        assert places.clear(tmp_path, "shop") == [partial.name]
        assert orphan.wait(10) == -9
    assert not partial.exists()


def test_a_backup_goes_out_of_sight_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ID / "dump").mkdir(parents=True)

    def refuse(path: Path) -> None:
        raise Problem(f"{path} stays")

    with monkeypatch.context() as patch:
        patch.setattr(places, "remove_tree", refuse)
        with pytest.raises(Problem, match="stays"):
            places.remove_backup(tmp_path / ID)
    assert [each.name for each in places.leftovers(tmp_path, "shop")] == [f".{ID}.removing"]
    with pytest.raises(Problem, match="still whole"):
        places.remove_backup(tmp_path / ID)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lock is waited for."""
    monkeypatch.setattr(places, "Deadline", lambda _seconds: Deadline(0))


@pytest.mark.usefixtures("hasty")
def test_what_is_restored_from_is_not_removed(tmp_path: Path) -> None:
    backup = tmp_path / ID
    backup.mkdir()
    (backup / "manifest.json").touch()
    assert not places.held(backup)
    holds = places.hold(backup), places.hold(backup)
    for each in holds:
        assert places.held(backup)
        with pytest.raises(Problem, match="is being restored from and stays"):
            places.remove_backup(backup)
        assert backup.is_dir()
        assert each is not None
        os.close(each)
    assert not places.held(backup)
    places.remove_backup(backup)
    assert list(tmp_path.iterdir()) == []
    assert not places.held(backup)
    with pytest.raises(Refused, match="cannot be read: No such file"):
        places.hold(backup)


@pytest.mark.usefixtures("hasty")
def test_one_that_is_being_removed_is_not_begun_with(tmp_path: Path) -> None:
    backup = tmp_path / ID
    backup.mkdir()
    (backup / "manifest.json").touch()
    with (backup / "manifest.json").open("rb+") as removing:
        fcntl.flock(removing, fcntl.LOCK_EX)
        with pytest.raises(Refused, match="is being removed"):
            places.hold(backup)


def test_a_file_system_without_locks_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = tmp_path / ID
    backup.mkdir()
    (backup / "manifest.json").touch()

    def none(_descriptor: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    assert places.hold(backup) is None
    assert not places.held(backup)
    places.remove_backup(backup)
    assert list(tmp_path.iterdir()) == []


def test_what_is_given_away_is_what_was_made_and_nothing_that_it_leads_to(tmp_path: Path) -> None:
    """A link to what is not there shows whether it is followed."""
    made = tmp_path / "made"
    (made / "dump").mkdir(parents=True)
    (made / "dump" / "toc.dat").touch()
    (made / "link").symlink_to("/nowhere/at/all")
    (made / "place").symlink_to(tmp_path)
    places.give(made, (os.getuid(), os.getgid()))
    (tmp_path / "instead").symlink_to(made)
    with pytest.raises(OSError, match="Not a directory"):
        places.give(tmp_path / "instead", (-1, -1))


def test_another_directory_in_its_place_is_given_to_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr(os, "chown", lambda *of, **_: given.append(of))
    # As if this one were somebody else's.
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(Problem, match="is not the directory that was made there"):
        places.give(tmp_path, (1, 1))
    assert given == []
    # Where nobody is to get it nothing is given, as on a share that makes us somebody else.
    places.give(tmp_path, (-1, -1))
