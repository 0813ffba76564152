"""Who packs a dump, which programs are used, and how a password reaches them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical import tools
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused


@pytest.mark.parametrize(
    ("form", "method", "level", "major", "arguments", "piped", "wrapped", "name"),
    [
        ("custom", "none", None, 13, "--compress=0", "none", "none", "dump.pgdump"),
        ("custom", "gzip", None, 13, "--compress=6", "none", "none", "dump.pgdump"),
        ("directory", "gzip", 1, 17, "--compress=1", "none", "none", "dump"),
        ("plain", "gzip", 9, 15, "--compress=9", "none", "gzip", "dump.sql.gz"),
        ("custom", "zstd", 3, 15, "--compress=0", "zstd", "zstd", "dump.pgdump.zst"),
        ("custom", "zstd", 3, 16, "--compress=zstd:3", "none", "none", "dump.pgdump"),
        ("directory", "lz4", None, 16, "--compress=lz4", "none", "none", "dump"),
        ("plain", "lz4", None, 17, "--compress=lz4", "none", "lz4", "dump.sql.lz4"),
        ("plain", "zstd", None, 13, "--compress=0", "zstd", "zstd", "dump.sql.zst"),
    ],
)
def test_who_packs(
    form: str, method: str, level: int | None, major: int, arguments: str, piped: str, wrapped: str, name: str
) -> None:
    packing = tools.packing(form, method, level, major)
    assert (packing.arguments, packing.piped, packing.wrapped) == ((arguments,), piped, wrapped)
    assert packing.name(form, encrypted=False) == name
    if form != "directory":
        assert packing.name(form, encrypted=True) == f"{name}.age"


def test_a_directory_is_not_piped() -> None:
    with pytest.raises(Refused, match="format custom"):
        tools.packing("directory", "zstd", None, 15)


def program(place: Path, name: str, major: int) -> Path:
    path = place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "{name} (PostgreSQL) {major}.3"\n')
    path.chmod(0o755)
    return path


def test_the_servers_own_version_or_the_next_newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "bin_directory", lambda version: tmp_path / str(version))
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(Refused, match="postgresql-client-14"):
        tools.find_tools(14)
    program(tmp_path / "15", "pg_dump", 15)
    program(tmp_path / "13", "pg_dump", 13)
    found = tools.find_tools(14)
    assert (found.major, found.directory) == (15, tmp_path / "15")
    with pytest.raises(Refused, match="pg_restore is not there"):
        found.path("pg_restore")
    assert found.path("pg_dump") == str(tmp_path / "15" / "pg_dump")


def test_one_on_the_path_will_do_unless_it_is_older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "bin_directory", lambda _: tmp_path / "nowhere")
    path = program(tmp_path / "bin", "pg_dump", 16)
    monkeypatch.setattr("shutil.which", lambda _: str(path))
    assert tools.find_tools(15).major == 16
    with pytest.raises(Refused, match="PostgreSQL 17"):
        tools.find_tools(17)


def test_a_password_is_in_memory_only() -> None:
    with tools.let_in(None) as environment:
        assert environment == {}
    with tools.let_in("a:b\\c") as environment:
        path = Path(environment["PGPASSFILE"])
        assert path.read_text() == "*:*:*:*:a\\:b\\\\c\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_ISREG(path.stat().st_mode)
    assert not path.exists()
    with pytest.raises(Refused, match="line break"), tools.let_in("a\nb"):
        pass
