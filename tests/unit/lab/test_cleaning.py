"""Cleaning takes what this checkout made and leaves everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cleaning import made_files, ours, remove_files
from lab.ledger import read


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
    assert ours([row], "abc123") == ([row.partition("\t")[0]] if taken else [])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (".venv/bin", ".lab/collections", ".git/__pycache__", "lab/__pycache__", "build", "roles"):
        (tmp_path / name).mkdir(parents=True)
    tarballs = ("runbook-postgres-0.1.0.tar.gz", "other.tar.gz")
    for name in (".coverage", ".coverage.host.1", ".lab/images", *tarballs):
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


def test_the_ledger_stays_while_the_engine_is_away(checkout: Path) -> None:
    remove_files(made_files(checkout, keep_ledger=True))
    assert [path.name for path in (checkout / ".lab").iterdir()] == ["images"]


def test_removal_stops_at_links_and_can_be_repeated(checkout: Path) -> None:
    assert remove_files(made_files(checkout)) == 7
    assert (checkout / "roles").is_dir()
    assert (checkout / ".git/__pycache__").is_dir()
    assert made_files(checkout) == []


def test_a_half_written_ledger_line_is_skipped(tmp_path: Path) -> None:
    whole = "sha256:" + "a" * 64
    (tmp_path / "images").write_text(f"{whole}\nsha256:bb")
    assert read(tmp_path / "images") == [whole]
    assert read(tmp_path / "none") == []
