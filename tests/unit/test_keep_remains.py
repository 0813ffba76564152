"""The program that keeps logs in an emergency: whatever is in its way, it says so and ends well."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

KEEP = Path(__file__).resolve().parents[2] / "playbooks/files/keep_remains.py"


def keep(place: Path, *sources: Path, most: int = 200) -> list[str]:
    """What it says."""
    argv = [sys.executable, str(KEEP), f"--most={most}", str(place), *map(str, sources)]
    done = subprocess.run(argv, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def written(path: Path, mebibytes: int, age: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"old\n" + bytes(mebibytes << 20) + b"new\n")
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return path


def copy_of(path: Path, place: Path) -> Path:
    return place / path.relative_to("/")


def test_all_is_kept_where_there_is_room(tmp_path: Path) -> None:
    config, log = written(tmp_path / "etc/a b/main.conf", 0, 9), written(tmp_path / "log/x.log", 1, 1)
    (tmp_path / "etc/link").symlink_to("main.conf")
    place = tmp_path / "kept"
    for _each in range(2):
        assert keep(place, tmp_path / "etc", tmp_path / "log") == []
        assert copy_of(config, place).read_bytes() == config.read_bytes()
        assert copy_of(log, place).read_bytes() == log.read_bytes()
        assert copy_of(tmp_path / "etc/link", place).is_symlink()
    assert place.stat().st_mode & 0o777 == 0o700
    assert copy_of(log, place).stat().st_mode & 0o777 == 0o600


def test_of_too_much_the_newest_is_kept(tmp_path: Path) -> None:
    logs = [written(tmp_path / f"log/{age}.log", 2, age) for age in (1, 2, 3)]
    place = tmp_path / "kept"
    said = keep(place, tmp_path / "log", most=3)
    assert said == [
        f"Of {logs[1]} the last {(3 << 20) - (2 << 20) - 8:,} bytes were kept: there was no room for more.",
        f"1 older files were not kept for lack of room, {logs[2]} among them.",
    ]
    assert copy_of(logs[0], place).read_bytes() == logs[0].read_bytes()
    cut = copy_of(logs[1], place).read_bytes()
    assert (len(cut) < 1 << 20, cut[-4:]) == (True, b"new\n")
    assert not copy_of(logs[2], place).exists()


def test_what_cannot_be_read_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    good = written(tmp_path / "log/good.log", 0, 1)
    place = tmp_path / "kept"
    said = keep(place, tmp_path / "gone", tmp_path / "log")
    assert said == [f"{tmp_path / 'gone'} was not kept: No such file or directory."]
    assert copy_of(good, place).exists()
    keeper = runpy.run_path(str(KEEP))["Keeper"](place, 1 << 20)
    # It opens, and to read it is an error, as on a disk that is dying.
    keeper.keep(Path("/proc/self/mem"))
    assert keeper.missed == ["/proc/self/mem was not kept: Input/output error."]
    assert list((place / "proc/self").iterdir()) == []


def test_a_place_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert keep(tmp_path / "file/kept", tmp_path) == [f"{tmp_path / 'file/kept'} cannot be used: Not a directory."]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_a_disk_that_fills_up_leaves_no_half_file(tmp_path: Path) -> None:
    log = written(tmp_path / "log/x.log", 0, 1)
    place = tmp_path / "kept"
    growing = copy_of(log, place).with_name(".x.log.growing")
    growing.parent.mkdir(parents=True)
    growing.symlink_to("/dev/full")
    assert keep(place, tmp_path / "log") == [f"{log} was not kept: No space left on device."]
    assert list(growing.parent.iterdir()) == []
