"""Versions that a host has and is offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.node import packages

PRINTED = """\
postgresql-15 - The World's Most Advanced Open Source Relational Database
postgresql-17 - The World's Most Advanced Open Source Relational Database
postgresql-15-cron - Run periodic jobs in PostgreSQL
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for version in ("13", "9.6"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin/postgres").touch()
    (tmp_path / "17/bin").mkdir(parents=True)
    return tmp_path


def forbidden() -> str:
    raise AssertionError("the package sources were asked")


def test_what_is_installed_settles_it(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "printed_by_apt", forbidden)
    found = {"versions_installed": [13], "versions_offered": [13], "version_offered": 13}
    assert packages.packages(13, "debian", "11", library) == found
    assert packages.packages(None, "debian", "11", library) == found


@pytest.mark.parametrize(
    ("wanted", "printed", "offered", "chosen"),
    [
        (None, PRINTED, [15, 17], 15),
        (17, PRINTED, [15, 17], 17),
        (14, PRINTED, [15, 17], 15),
        (None, "", [15], 15),
    ],
)
def test_what_the_sources_offer(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wanted: int | None,
    printed: str,
    offered: list[int],
    chosen: int,
) -> None:
    monkeypatch.setattr(packages, "printed_by_apt", lambda: printed)
    found = packages.packages(wanted, "debian", "12", tmp_path)
    assert found == {"versions_installed": [], "versions_offered": offered, "version_offered": chosen}


def test_a_system_nobody_knows_offers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "printed_by_apt", lambda: "")
    assert packages.packages(None, "alpine", "3", tmp_path)["version_offered"] is None
