"""What a data directory's files tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._clone_mark import MARK
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.node.directory import (
    Directory,
    Postmaster,
    configured,
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    place = tmp_path / "main"
    place.mkdir()
    return place


def test_what_holds_nothing(tmp_path: Path, data: Path) -> None:
    assert not Directory(tmp_path / "none").occupied
    assert not Directory(data).occupied
    (data / "lost+found").mkdir()
    assert not Directory(data).occupied
    (data / "PG_VERSION").write_text("15\n")
    assert Directory(data).occupied
    assert Directory(data).pg_version == "15"


def test_a_base_backup_that_was_cut_off(data: Path) -> None:
    (data / "backup_label").write_text("START WAL LOCATION")
    assert Directory(data).unfinished_basebackup
    (data / "global").mkdir()
    (data / "global/pg_control").write_text("x")
    assert not Directory(data).unfinished_basebackup


def test_a_clone_of_ours_that_was_cut_off(data: Path) -> None:
    assert not Directory(data).unfinished_clone
    beside = data.with_name("main.clone")
    beside.mkdir()
    (beside / MARK).touch()
    assert Directory(data).unfinished_clone


def test_a_server_that_runs(tmp_path: Path, data: Path) -> None:
    proc = tmp_path / "proc"
    (proc / "77").mkdir(parents=True)
    (proc / "77/stat").write_text("77 (postgres) S 1")
    (proc / "77/comm").write_text("postgres\n")
    pidfile = data / "postmaster.pid"
    assert Directory(data).postmaster(proc) is None
    pidfile.write_text(f"77\n{data}\n1700000000\n5433\n/run/postgresql\n*\n")
    assert Directory(data).postmaster(proc) == Postmaster(77, 5433, "/run/postgresql")
    (proc / "77/comm").write_text("nginx\n")
    assert Directory(data).postmaster(proc) is None
    pidfile.write_text(f"78\n{data}\n1700000000\n5433\n/run/postgresql\n*\n")
    assert Directory(data).postmaster(proc) is None


def test_the_timelines_before(data: Path) -> None:
    (data / "pg_wal").mkdir()
    (data / "pg_wal/00000003.history").write_text("1\t0/3000000\tno recovery target\n2\t0/5000abc\tx\n\n# more\n")
    assert Directory(data).history(3) == [{"timeline": 1, "lsn": "0/3000000"}, {"timeline": 2, "lsn": "0/5000ABC"}]
    assert Directory(data).history(2) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("data_directory = '/srv/pg'  # comment\n", "/srv/pg"),
        ("# data_directory = '/srv/pg'\n", None),
        ("data_directory = '/a'\n data_directory='/b''c'\n", "/b'c"),
        ("", None),
    ],
)
def test_where_the_configuration_has_the_data(tmp_path: Path, text: str, where: str | None) -> None:
    (tmp_path / "postgresql.conf").write_text(text)
    assert configured(tmp_path) == where


def test_a_registration_without_data_names_none(tmp_path: Path, data: Path) -> None:
    (tmp_path / "postgresql.conf").write_text(f"data_directory = '{data}'\n")
    assert configured(tmp_path) == str(data)
    (data / MARK).touch()
    assert configured(tmp_path) is None
