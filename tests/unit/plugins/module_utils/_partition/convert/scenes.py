"""Plain tables that live in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import INTEGER
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.question import Question
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    Column,
    Extent,
    Index,
    Leftovers,
    Scene,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.request import Intent
from tests.unit.plugins.module_utils._partition.model import policy


def column(name: str, kind: str = "bigint", **more: Any) -> Column:
    known: dict[str, Any] = {"not_null": True, "generated": False, "identity": "", "statistics": -1, **more}
    return Column(name, kind, kind, **known)


def index(name: str, *columns: str, **more: Any) -> Index:
    known: dict[str, Any] = {"tail": "", "unique": True, "valid": True, "kind": "p", **more}
    return Index(hash(name), name, columns=columns, **known)


def scene(**more: Any) -> Scene:
    columns = (column("id"), column("k"), column("x", "text", not_null=False))
    return replace(
        Scene(7, "public", "events", "owner", None, columns, (index("events_pkey", "id", "k"),), traits=None), **more
    )


def question(how: str = "attach", **more: Any) -> Question:
    asked = Question(
        scene=scene(),
        intent=Intent(how, "k"),
        extent=Extent(lowest=3, highest=42),
        left=Leftovers(),
        kind=INTEGER,
        policy=policy("10"),
        now=42,
        until=None,
        taken=frozenset({"events", "events_pkey"}),
    )
    return replace(asked, **more)
