"""A host's figures from files as kernels and distributions write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.node import machine

GIB = 1 << 30
UNIT = "postgresql@15-main.service"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("text", "system"),
    [
        ('NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\n', ("debian", "12")),
        ("ID='ubuntu'\nVERSION_ID=24.04\n", ("ubuntu", "24.04")),
        ("ID=debian\n", ("debian", "")),
        ("", ("", "")),
    ],
)
def test_the_system(text: str, system: tuple[str, str]) -> None:
    assert machine.system(text) == system


@pytest.mark.parametrize(
    ("files", "memory"),
    [
        ({}, 16 * GIB),
        ({"sys/fs/cgroup/memory.max": "max\n"}, 16 * GIB),
        ({"sys/fs/cgroup/memory.max": f"{4 * GIB}\n"}, 4 * GIB),
        ({f"sys/fs/cgroup/system.slice/system-postgresql.slice/{UNIT}/memory.max": f"{2 * GIB}"}, 2 * GIB),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": f"{3 * GIB}\n"}, 3 * GIB),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 16 * GIB),
    ],
)
def test_memory_is_what_the_server_may_use(tmp_path: Path, files: dict[str, str], memory: int) -> None:
    root = write(tmp_path, {"proc/meminfo": f"MemTotal:       {16 * GIB // 1024} kB\nMemFree: 1 kB\n", **files})
    assert machine.memory(root, UNIT) == memory


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
        ({"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
        ({"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 4),
    ],
)
def test_cores_are_what_the_server_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    assert machine.cores(write(tmp_path, files), UNIT) == cores


FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.1
              /32 host LOCAL
     |-- 10.0.0.5
        /32 host LOCAL
     |-- 10.0.0.255
        /32 link BROADCAST
Local:
     |-- 10.0.0.5
        /32 host LOCAL
"""
IF_INET6 = """\
00000000000000000000000000000001 01 80 10 80       lo
fe800000000000000042acfffe110002 02 40 20 80     eth0
20010db8000000000000000000000005 02 40 00 80     eth0
"""


def test_addresses_that_others_can_use(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/net/fib_trie": FIB_TRIE, "proc/net/if_inet6": IF_INET6})
    assert machine.addresses(root) == ["10.0.0.5", "2001:db8::5"]
    assert machine.addresses(tmp_path / "nothing") == []


def test_the_disk_of_a_directory_that_is_yet_to_be(tmp_path: Path) -> None:
    assert machine.nearest(tmp_path / "a/b/c") == tmp_path
    size, rotational = machine.disk(tmp_path, tmp_path)
    assert size > 0
    assert rotational is None


@pytest.mark.parametrize(("told", "rotational"), [("1\n", True), ("0\n", False), ("", None)])
def test_whether_the_disk_turns(tmp_path: Path, told: str, rotational: bool | None) -> None:
    """A partition says nothing of it itself."""
    device = tmp_path.stat().st_dev
    write(tmp_path, {"devices/sda/queue/rotational": told, "devices/sda/sda1/partition": "1"})
    (tmp_path / "sys/dev/block").mkdir(parents=True)
    (tmp_path / f"sys/dev/block/{os.major(device)}:{os.minor(device)}").symlink_to(tmp_path / "devices/sda/sda1")
    assert machine.disk(tmp_path, tmp_path)[1] is rotational


def test_where_the_wal_is_or_will_be(tmp_path: Path) -> None:
    data, wal = tmp_path / "main", tmp_path / "wal"
    assert machine.wal_place(data, None) == tmp_path
    assert machine.wal_place(data, str(wal / "main")) == tmp_path
    wal.mkdir()
    assert machine.wal_place(data, str(wal / "main")) == wal
    data.mkdir()
    (data / "pg_wal").symlink_to(wal)
    # What is there counts, whatever is wanted now.
    assert machine.wal_place(data, "/elsewhere").resolve() == wal
