"""Rows as the catalogue's dataclasses, where a test names only the values that matter to it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed, Probe, Seen, Server

_PLAIN: dict[str, Any] = {"int": 0, "float": 0.0, "str": "", "bool": False, "list[int]": [], "list[str]": []}


def row(kind: type, /, **values: Any) -> Any:
    """A row with these values; the others are zero, empty, or None where that is allowed."""
    plain = {each.name: _plain(str(each.type)) for each in fields(kind)}
    return kind(**{**plain, **values})


def _plain(annotation: str) -> Any:
    return None if "None" in annotation else _PLAIN[annotation]


def server(**values: Any) -> Server:
    """A healthy primary of version 15, asked by a member of pg_monitor on its own host."""
    usual = {
        "version": "15.14 (Debian 15.14-0+deb12u1)",
        "version_num": 150014,
        "role": "primary",
        "timeline": 1,
        "system_identifier": "7533480527171493921",
        "cluster_name": "15/main",
        "data_checksums": True,
        "uptime_seconds": 86400.0,
        "monitor": True,
        "user": "monitoring",
        "same_host": True,
        "settings_kept": True,
        "block_bytes": 8192,
        "autovacuum": True,
        "now": "2030-06-15 12:00:00",
    }
    found: Server = row(Server, **{**usual, **values})
    return found


def observed(*seen: tuple[Probe, Any], database: str | None = None, **server_values: Any) -> Observed:
    """A server of which these rows were seen."""
    result = Observed(server=server(**server_values))
    for probe, found in seen:
        result.add(probe, [Seen(database, found)])
    return result
