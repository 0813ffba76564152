"""Rules and maps in the shortest words."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._hba.rules import Line, MapLine, read_maps, read_rules

OURS = "local all postgres peer"


def rule(text: str, **options: Any) -> dict[str, Any]:
    """`type databases users [addresses] method`, with + between several."""
    kind, databases, users, *rest = text.split()
    return {
        "type": kind,
        "databases": databases.split("+"),
        "users": users.split(","),
        "addresses": [] if len(rest) == 1 else rest[0].split("+"),
        "method": rest[-1],
        "options": options,
        "comment": None,
    }


def lines(*texts: str | dict[str, Any], version: int = 15) -> tuple[Line, ...]:
    return read_rules([rule(each) if isinstance(each, str) else each for each in texts], version)


def maps(*entries: str, version: int = 15) -> tuple[MapLine, ...]:
    keys = ("map", "system_user", "database_user")
    return read_maps([dict(zip(keys, entry.split())) for entry in entries], version)
