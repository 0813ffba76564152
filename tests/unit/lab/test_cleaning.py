"""Cleaning takes what this checkout made and leaves everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cleaning import made_files, ours, remove_files


@pytest.mark.parametrize(
    ("row", "taken"),
    [
        ("c1\trunbook-abc123-pg1\tabc123", True),
        ("c2\tanything\tabc123", True),
        ("n1\trunbook-abc123-net\t", True),
        ("c3\trunbook-ffffff-pg1\tffffff", False),
        ("c4\trunbook-abc1234-pg1\tabc1234", False),
        ("c5\tsomeone-runbook-abc123-pg1\t", False),
        ("n2\tbridge\t", False),
        ("n3\tbridge", False),
        ("", False),
    ],
)
def test_selection(row: str, taken: bool) -> None:
    assert list(ours([row], "abc123")) == ([row.partition("\t")[0]] if taken else [])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (".venv/bin", ".lab/collections", ".git/__pycache__", "lab/__pycache__", "build", "roles"):
        (tmp_path / name).mkdir(parents=True)
    tarballs = ("runbook-postgres-0.1.0.tar.gz", "other.tar.gz")
    for name in (".coverage", ".coverage.host.1", *tarballs):
        (tmp_path / name).touch()
    (tmp_path / ".lab/collections/postgres").symlink_to(tmp_path)
    return tmp_path


def names(checkout: Path) -> set[str]:
    return {str(path.relative_to(checkout)) for path in made_files(checkout)}


def test_made_files(checkout: Path) -> None:
    assert names(checkout) == {
        ".venv",
        ".lab",
        "build",
        ".coverage",
        ".coverage.host.1",
        "runbook-postgres-0.1.0.tar.gz",
        "lab/__pycache__",
    }


def test_removal_stops_at_links_and_can_be_repeated(checkout: Path) -> None:
    said: list[str] = []
    remove_files(made_files(checkout), said.append)
    assert "Removed .venv" in said
    assert (checkout / "roles").is_dir()
    assert (checkout / ".git/__pycache__").is_dir()
    assert made_files(checkout) == []
