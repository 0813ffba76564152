"""Files as state: the change is known before it is made, and a reader never meets half of one."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils import _files
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._files import File, FileChange, changed, observe, removed

ME = pwd.getpwuid(os.geteuid()).pw_name
MINE = grp.getgrgid(os.getegid()).gr_name


def wanted(path: Path, content: bytes = b"a = 1\n", mode: int = 0o640, *, secret: bool = False) -> File:
    return File(path, content, ME, MINE, mode, secret)


def make(file: File) -> None:
    change = changed(file, observe(file.path))
    assert change is not None
    change.apply()


def test_what_was_made_is_as_wanted_and_nothing_is_left_to_do(tmp_path: Path) -> None:
    file = wanted(tmp_path / "x.conf")
    assert observe(file.path) is None
    make(file)
    assert file.path.read_bytes() == b"a = 1\n"
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o640
    assert changed(file, observe(file.path)) is None
    assert list(tmp_path.iterdir()) == [file.path]


def test_a_host_without_directory_and_owner_is_foreseen(tmp_path: Path) -> None:
    file = File(tmp_path / "none" / "x.conf", b"a\n", "nobody-of-this-name", "nor-such-a-group")
    change = changed(file, observe(file.path))
    assert change is not None
    assert change.sentence == f"write {file.path}"
    assert change.diff() == [
        {"before": "", "after": "a\n", "before_header": str(file.path), "after_header": str(file.path)}
    ]


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="directory is not there"):
        make(wanted(tmp_path / "none" / "x.conf"))


@pytest.mark.parametrize(("what", "word"), [({"owner": "no-such-one"}, "user"), ({"group": "no-such-one"}, "group")])
def test_an_owner_that_is_missing_is_named_and_nothing_is_left_behind(
    tmp_path: Path, what: dict[str, str], word: str
) -> None:
    with pytest.raises(Refused, match=f"no-such-one, a {word}"):
        make(replace(wanted(tmp_path / "x.conf"), **what))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_only_what_differs_is_in_the_diff(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    make(wanted(path))
    (content,) = FileChange(observe(path), wanted(path, b"a = 2\n")).diff()
    assert (content["before"], content["after"]) == ("a = 1\n", "a = 2\n")
    (attributes,) = FileChange(observe(path), wanted(path, mode=0o600)).diff()
    assert (attributes["before"], attributes["after"]) == ({"mode": "0640"}, {"mode": "0600"})


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "x.key"
    make(wanted(path, b"hunter1", secret=True))
    change = changed(wanted(path, b"hunter2", secret=True), observe(path))
    assert change is not None
    assert "hunter" not in json.dumps(change.diff())
    assert "hunter" not in repr(change)
    assert change.diff()[0]["before"] != change.diff()[0]["after"]


def test_what_was_there_can_be_put_back(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    make(wanted(path, b"old\n", 0o600))
    change = changed(wanted(path, b"new\n"), observe(path))
    assert change is not None
    change.apply()
    assert change.sentence == f"replace {path}"
    change.undo()
    assert observe(path) == wanted(path, b"old\n", 0o600)


def test_what_was_not_there_is_gone_again(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    change = changed(wanted(path), observe(path))
    assert change is not None
    change.apply()
    change.undo()
    assert not path.exists()


def test_a_file_is_removed_once(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    make(wanted(path))
    change = removed(observe(path))
    assert change is not None
    assert change.sentence == f"remove {path}"
    assert change.diff()[0]["after"] == ""
    change.apply()
    assert removed(observe(path)) is None


def test_a_link_is_replaced_and_what_it_leads_to_is_neither_read_nor_written(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "x.conf"
    other.write_text("not ours")
    path.symlink_to(other)
    change = changed(wanted(path), observe(path))
    assert change is not None
    assert "not ours" not in json.dumps(change.diff())
    assert change.diff()[1]["before"]["link to"] == str(other)
    change.apply()
    assert not path.is_symlink()
    assert other.read_text() == "not ours"
    change.undo()
    assert path.is_symlink()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.conf")
    with pytest.raises(Refused, match="is no file"):
        observe(tmp_path / "x.conf")


def test_what_a_killed_run_left_goes_and_what_a_running_one_writes_stays(tmp_path: Path) -> None:
    dead = tmp_path / ".x.conf.4194305-00000000.runbook-new"
    alive = tmp_path / f".x.conf.{os.getppid()}-00000000.runbook-new"
    others = tmp_path / ".y.conf.4194305-00000000.runbook-new"
    for each in (dead, alive, others):
        each.touch()
    make(wanted(tmp_path / "x.conf"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["x.conf", alive.name, others.name])


def test_mode_and_owner_are_right_before_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = os.fchmod

    def watch(descriptor: int, mode: int) -> None:
        about = os.fstat(descriptor)
        seen.append((stat.S_IMODE(about.st_mode), about.st_size))
        real(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", watch)
    make(wanted(tmp_path / "x.key", b"secret", 0o644))
    assert seen == [(0o600, 0)]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.conf"
    make(wanted(path, b"old\n"))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Problem, match="No space left on device"):
        make(wanted(path, b"new\n"))
    assert path.read_bytes() == b"old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_numbers_stand_for_owners_without_a_name(tmp_path: Path) -> None:
    file = File(tmp_path / "x", b"", str(os.geteuid()), str(os.getegid()))
    make(file)
    assert file.path.exists()
    assert _files._user_name(4_000_000) == "4000000"
    assert _files._group_name(4_000_000) == "4000000"
