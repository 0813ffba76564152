"""Backups of no server: manifests by default values, and whole ones in a directory."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import (
    NAME,
    Extension,
    Manifest,
    Origin,
    Rows,
    Stored,
)

ORIGIN = Origin(
    database='sh"op',
    owner="o'wner",
    encoding="UTF8",
    collation="en_US.UTF-8",
    ctype="en_US.UTF-8",
    provider="libc",
    locale=None,
    tablespace="pg_default",
    bytes=100_000,
    tablespaces=("fast",),
    extensions=(Extension("citext", "1.6", "public"),),
    roles=("o'wner", "reader"),
    system_identifier="7000000000000000001",
    server_version="15.8",
    major=15,
    timeline=1,
    lsn="0/3000060",
    standby=False,
)


def manifest(**other: Any) -> Manifest:
    origin = replace(ORIGIN, **{name: other.pop(name) for name in list(other) if hasattr(ORIGIN, name)})
    made = Manifest(
        id="sh-op-all-20260801T020000Z-0a1b2c",
        number=1,
        label="",
        content="all",
        tables=(),
        format="custom",
        compression="gzip",
        level=None,
        recipients=(),
        jobs=1,
        options=("--format=custom",),
        origin=origin,
        dump="dump.pgdump",
        globals="globals.sql",
        wrapped="none",
        files=(),
        streams=(),
        rows=(Rows("public", "t", 3),),
        started="2026-08-01T02:00:00Z",
        finished="2026-08-01T02:05:00Z",
        tools={"pg_dump": "pg_dump (PostgreSQL) 15.8"},
    )
    return replace(made, **other)


def stored(path: str, content: bytes) -> Stored:
    return Stored(path, len(content), hashlib.sha256(content).hexdigest())


def made(place: Path, told: Manifest | None = None, **files: bytes) -> Manifest:
    """A whole backup below a place, with its two files."""
    content = {"dump.pgdump": b"PGDMP" * 1000, "globals.sql": b"CREATE ROLE reader;\n", **files}
    told = replace(told or manifest(), files=tuple(stored(path, data) for path, data in content.items()))
    directory = place / told.id
    directory.mkdir(parents=True)
    for path, data in content.items():
        (directory / path).write_bytes(data)
    (directory / NAME).write_text(told.to_json(), encoding="utf-8")
    return told
