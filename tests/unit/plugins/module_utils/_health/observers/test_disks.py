"""File systems as the host sees them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.storage import (
    DISKS,
    STORAGE_PATHS,
    StoragePath,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.disks import ask_disks, observe_disks
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Seen
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import Scope
from tests.unit.plugins.rows import server


def filled(monkeypatch: pytest.MonkeyPatch, **values: int) -> None:
    """A file system with these figures, in blocks of 4 KiB."""
    usual = {"f_frsize": 4096, "f_blocks": 100, "f_bfree": 30, "f_bavail": 20, "f_files": 1000, "f_favail": 250}
    figures = SimpleNamespace(**{**usual, **values})
    monkeypatch.setattr(os, "statvfs", lambda _path: figures)


def test_used_is_counted_as_df_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    filled(monkeypatch)
    (disk,), refusals = observe_disks([StoragePath("data directory", str(tmp_path))])
    assert refusals == []
    assert (disk.total_bytes, disk.used_bytes, disk.available_bytes) == (100 * 4096, 70 * 4096, 20 * 4096)
    assert disk.used_percent == pytest.approx(100 * 70 / 90)
    assert disk.inodes_used_percent == pytest.approx(75)
    assert (disk.purpose, disk.path) == ("data directory", str(tmp_path))


def test_a_file_system_that_counts_nothing_is_survived(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    filled(monkeypatch, f_blocks=0, f_bfree=0, f_bavail=0, f_files=0, f_favail=0)
    (disk,), _refusals = observe_disks([StoragePath("WAL", str(tmp_path))])
    assert (disk.total_bytes, disk.used_percent, disk.inodes_used_percent) == (0, 100.0, None)


def test_paths_on_one_file_system_are_one_disk(tmp_path: Path) -> None:
    (tmp_path / "pg_wal").mkdir()
    paths = [StoragePath("data directory", str(tmp_path)), StoragePath("WAL", str(tmp_path / "pg_wal"))]
    (disk,), refusals = observe_disks(paths)
    assert (disk.purpose, disk.path, refusals) == ("data directory, WAL", str(tmp_path), [])
    assert 0 < disk.used_bytes <= disk.total_bytes
    assert 0 <= disk.used_percent <= 100


@pytest.mark.skipif(Path("/proc").stat().st_dev == Path("/").stat().st_dev, reason="needs a second file system")
def test_paths_on_two_file_systems_are_two_disks(tmp_path: Path) -> None:
    found, _refusals = observe_disks([StoragePath("data directory", str(tmp_path)), StoragePath("WAL", "/proc")])
    assert [disk.purpose for disk in found] == ["data directory", "WAL"]


def test_a_path_that_cannot_be_looked_at_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str) -> os.statvfs_result:
        raise PermissionError(13, "Permission denied", path)

    missing = StoragePath("tablespace fast", str(tmp_path / "gone"))
    found, refusals = observe_disks([missing, StoragePath("WAL", str(tmp_path))])
    assert [disk.purpose for disk in found] == ["WAL"]
    (reason,) = refusals
    assert reason == (
        f"tablespace fast at {tmp_path}/gone cannot be looked at (No such file or directory): "
        "run the task as the server's system user, usually become_user postgres"
    )
    monkeypatch.setattr(os, "statvfs", refused)
    found, (reason,) = observe_disks([StoragePath("WAL", str(tmp_path))])
    assert found == []
    assert "(Permission denied)" in reason


def interview(same_host: bool = True, subsets: frozenset[str] = frozenset({"storage"})) -> Interview:
    asked = Interview({"dbname": "postgres"}, Scope(subsets))
    asked.observed.server = server(same_host=same_host)
    return asked


def test_disks_are_measured_where_the_server_says_its_files_are(tmp_path: Path) -> None:
    asked = interview()
    paths = [StoragePath("data directory", str(tmp_path)), StoragePath("WAL", str(tmp_path / "gone"))]
    asked.observed.add(STORAGE_PATHS, [Seen(None, path) for path in paths])
    ask_disks(asked)
    assert [seen.row.path for seen in asked.observed.of(DISKS)] == [str(tmp_path)]
    assert [(lost.probe, "gone" in lost.reason) for lost in asked.observed.unavailable] == [("disks", True)]


def test_another_hosts_disks_are_not_taken_for_the_servers(tmp_path: Path) -> None:
    asked = interview(same_host=False)
    asked.observed.add(STORAGE_PATHS, [Seen(None, StoragePath("data directory", str(tmp_path)))])
    ask_disks(asked)
    assert asked.observed.of(DISKS) == []
    assert ["another host" in lost.reason for lost in asked.observed.unavailable] == [True]


def test_disks_nobody_asked_for_are_not_looked_at() -> None:
    asked = interview(same_host=False, subsets=frozenset({"wal"}))
    ask_disks(asked)
    assert (asked.observed.rows, asked.observed.unavailable) == ({}, [])
