"""A manifest to start from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.manifest import Column, Manifest

A_MANIFEST = Manifest(
    file="events_p2024-0123456789ab.csv.gz",
    system_identifier="7",
    database="app",
    table_schema="public",
    table="events",
    partition_schema="public",
    partition="events_p2024",
    bound="FOR VALUES FROM (10) TO (20)",
    kind="integer",
    comment=None,
    rows=3,
    bytes=40,
    sha256="a" * 64,
    columns=(Column("id", "integer", True, None, False, False), Column("twice", "integer", False, None, True, False)),
    ddl=("CREATE TABLE public.events_p2024 (id integer NOT NULL);",),
    format="csv",
    compression="gzip",
    recipients=(),
    encoding="UTF8",
    file_bytes=30,
    file_sha256="b" * 64,
    verified="content",
    server_version="15.8",
    programs={},
    started="2026-01-01T00:00:00Z",
    finished="2026-01-01T00:00:01Z",
)


def a_manifest(**changed: Any) -> Manifest:
    return replace(A_MANIFEST, **changed)
