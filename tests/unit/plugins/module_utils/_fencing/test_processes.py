"""Processes of a server and ports, as /proc has them; and some of our own, ended."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._fencing import processes
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import Postmaster


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "proc"
    place.mkdir()
    (place / "uptime").write_text("1")
    monkeypatch.setattr(processes, "_PROC", place)
    return place


def process(proc: Path, pid: int, name: str, parent: int, cwd: Path | None) -> None:
    place = proc / str(pid)
    place.mkdir()
    (place / "comm").write_text(f"{name}\n")
    (place / "stat").write_text(f"{pid} ({name} ) x) S {parent} 1 1\n")
    if cwd is not None:
        (place / "cwd").symlink_to(cwd)


def test_a_server_with_its_children_and_who_works_in_its_directory(
    proc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    process(proc, 10, "postgres", 1, data)
    # Where a directory may not be read the parent tells.
    process(proc, 11, "postgres", 10, None)
    process(proc, 12, "bash", 1, data)
    process(proc, 13, "postgres", 1, tmp_path)
    process(proc, 14, "postgres", 1, data)
    monkeypatch.setattr(processes, "postmaster", lambda _: Postmaster(10, 5432, ""))
    assert processes.of_server(data) == {10, 11, 14}
    monkeypatch.setattr(processes, "postmaster", lambda _: None)
    assert processes.of_server(data) == {10, 14}


SHARED = """       key      shmid perms                  size  cpid  lpid nattch   uid
   5432001          7  1600                    56    10    11      3   106
   5432002          8  1600                    56    10    11      9   106
"""


@pytest.mark.parametrize(
    ("pid_file", "attached"),
    [(None, 0), ("10\n/d\n1\n5432\n/run\n*\n", 0), ("10\n/d\n1\n5432\n/run\n*\n  5432001         7\nready\n", 3)],
)
def test_who_still_uses_the_memory_of_a_server(proc: Path, tmp_path: Path, pid_file: str | None, attached: int) -> None:
    (proc / "sysvipc").mkdir()
    (proc / "sysvipc/shm").write_text(SHARED)
    if pid_file is not None:
        (tmp_path / "postmaster.pid").write_text(pid_file)
    assert processes.attached(tmp_path) == attached


def test_what_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port, idle = taken.getsockname()[1], bound.getsockname()[1]
        assert processes.listening([port, idle]) == {port}


def test_ended_is_what_answers_no_more() -> None:
    with subprocess.Popen(["sleep", "60"]) as mild, subprocess.Popen(["sleep", "60"]) as stubborn:
        assert processes.end([mild.pid], signal.SIGTERM, 10)
        assert not processes.end([stubborn.pid], signal.SIGWINCH, 0.2)
        assert processes.end([stubborn.pid, mild.pid], signal.SIGKILL, 10)
        mild.wait()
        assert processes.end([mild.pid], signal.SIGKILL, 10)
