"""A cluster without a server: a fake session for each database, found by whoever connects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._health import interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.server import DATABASES, IDENTITY
from ansible_collections.runbook.postgres.plugins.module_utils._health.observe import observe
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers import pooler
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import SUBSETS, Scope
from tests.unit.plugins.fakes import Answer, FakeSession
from tests.unit.plugins.rows import server


class Cluster:
    """`databases` maps a name to its session, or to what connecting to it raises."""

    def __init__(self, **databases: FakeSession | Exception) -> None:
        self.databases: dict[str, FakeSession | Exception] = {"postgres": home(), **databases}
        self.connected: list[str] = []
        self.settings: list[Mapping[str, str] | None] = []

    def __call__(
        self,
        parameters: Mapping[str, Any],
        _deadline: object,
        settings: Mapping[str, str] | None = None,
        _statement_seconds: float | None = None,
        called: str = "PostgreSQL",
    ) -> FakeSession:
        name = parameters["dbname"]
        self.connected.append(name)
        self.settings.append(settings)
        assert called == ("PgBouncer" if name == "pgbouncer" else "PostgreSQL")
        found = self.databases[name]
        if isinstance(found, Exception):
            raise found
        return found

    def observe(self, monkeypatch: pytest.MonkeyPatch, *subsets: str, **scope: Any) -> Observed:
        monkeypatch.setattr(interview, "Session", self)
        monkeypatch.setattr(pooler, "Session", self)
        return observe({"dbname": "postgres"}, Scope(frozenset(subsets or SUBSETS), **scope))


def home(
    answers: Mapping[str, Answer] | None = None, databases: tuple[str, ...] = ("postgres",), **server_values: Any
) -> FakeSession:
    """A session of the database connected to first, which knows who it is and which others there are."""
    return FakeSession(
        {
            IDENTITY: [asdict(server(**server_values))],
            DATABASES: [{"name": name} for name in databases],
            "xact_commit + xact_rollback)": [{"count": 0}],
            **(answers or {}),
        }
    )


def reasons(observed: Observed) -> dict[tuple[str, str | None], str]:
    return {(lost.probe, lost.database): lost.reason for lost in observed.unavailable}
