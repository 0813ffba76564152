"""Who has a port, from tables as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._ports import Listener, alive, listeners

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"


def row(port: int, inode: int, uid: int = 0, state: str = "0A") -> str:
    return (
        f"   0: 00000000:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid:5} 0 {inode} 1 x"
    )


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text("\n".join([HEAD, row(5432, 71), row(22, 72), row(6432, 73, 999999)]) + "\n")
    (tmp_path / "net/tcp6").write_text("\n".join([HEAD, row(5432, 74), row(80, 75, state="01")]) + "\n")
    process(tmp_path, 410, "postgres", [71, 74])
    process(tmp_path, 411, "postgres", [71])
    process(tmp_path, 9, "sshd", [72])
    return tmp_path


def process(proc: Path, pid: int, name: str, sockets: list[int], state: str = "S") -> None:
    place = proc / str(pid)
    (place / "fd").mkdir(parents=True)
    (place / "comm").write_text(f"{name}\n")
    (place / "stat").write_text(f"{pid} (a) name) {state} 1 1")
    for number, inode in enumerate(sockets):
        (place / f"fd/{number}").symlink_to(f"socket:[{inode}]")


def test_each_port_once_with_the_first_of_its_processes(proc: Path) -> None:
    assert listeners(proc) == [
        Listener(22, 9, "sshd"),
        Listener(5432, 410, "postgres"),
        Listener(6432, None, "a program of user 999999"),
    ]


def test_a_kernel_without_ipv6(proc: Path) -> None:
    (proc / "net/tcp6").unlink()
    assert [each.port for each in listeners(proc)] == [22, 5432, 6432]


def test_nobody_listens(tmp_path: Path) -> None:
    assert listeners(tmp_path) == []


def test_who_lives(proc: Path) -> None:
    process(proc, 12, "gone", [], state="Z")
    assert [alive(pid, proc) for pid in (410, 12, 13)] == [True, False, False]
