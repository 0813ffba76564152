"""Pools of a real PgBouncer that are held back, and clients who wait there."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from lab.waiting import wait_until
from tests.integration import inside
from tests.integration.poolers import Scene


def have(scene: Scene, state: str, *lead_to: str, check: bool = False, limit: int = 10, **how: Any) -> inside.Ended:
    wish = {"state": state, "lead_to": list(lead_to), "limit": limit}
    return inside.run(scene.pooler, "pgbouncer_pools", wish, check=check, user="root", **how)


def paused(scene: Scene) -> list[str]:
    """The pools that wait, as PgBouncer says."""
    names, *rows, _ = (line.split("|") for line in scene.console("SHOW DATABASES", form="-XA").splitlines())
    name, state = names.index("name"), names.index("paused")
    return [row[name] for row in rows if row[state] == "1"]


@contextlib.contextmanager
def waiting(scene: Scene, database: str = "shop") -> Iterator[list[Any]]:
    """A client that asks something, and what it has been answered so far."""
    answers: list[Any] = []

    def ask() -> None:
        answers.append(scene.ask("SELECT 42", database))

    client = threading.Thread(target=ask)
    client.start()
    wait_until("a client waits", lambda: answers or f"|{database}|waiting|" in scene.console("SHOW CLIENTS"))
    try:
        yield answers
    finally:
        client.join(30)
