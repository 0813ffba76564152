"""Runs pg_health_facts inside the test's own process: fast, and coverage sees it."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.testing import patch_module_args

from tests.integration.servers import Server

MODULE = "ansible_collections.runbook.postgres.plugins.modules.pg_health_facts"
CHECKS = "ansible_collections.runbook.postgres.plugins.module_utils._health.checks"

Finding = Mapping[str, Any]


class Failed(Exception):
    """The module failed; its sentence is the message."""


@dataclass(frozen=True)
class Report:
    """What one call returned, and the text it was read from."""

    health: Mapping[str, Any]
    text: str

    @property
    def status(self) -> str:
        return str(self.health["status"])

    @property
    def metrics(self) -> Mapping[str, Any]:
        return dict(self.health["metrics"])

    def findings(self, check: str | None = None) -> list[Finding]:
        return [finding for finding in self.health["findings"] if check in (None, finding["check"])]

    def unavailable(self) -> dict[str, str]:
        """Reasons by probe."""
        return {entry["probe"]: entry["reason"] for entry in self.health["unavailable"]}


def call(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """One run of the module: its result, and the same as it was printed."""
    module = importlib.import_module(MODULE)
    out = io.StringIO()
    with patch_module_args(dict(arguments)), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        module.main()
    text = out.getvalue()
    result = json.loads(text)
    result.pop("invocation", None)
    return result, text


def checked(result: Mapping[str, Any], text: str) -> Report:
    """The report of a run that must have succeeded, changed nothing and returned nothing else."""
    if result.get("failed"):
        raise Failed(str(result["msg"]))
    assert result["changed"] is False
    assert set(result) <= {"changed", "failed", "ansible_facts", "warnings", "deprecations"}
    assert list(result["ansible_facts"]) == ["pg_health"]
    return Report(result["ansible_facts"]["pg_health"], text)


@dataclass(frozen=True)
class Health:
    """Calls the module against one server, over TCP."""

    server: Server

    def login(self, user: str, database: str, *, standby: bool) -> dict[str, Any]:
        parameters = self.server.parameters(database, user, standby=standby)
        return {
            "login_host": parameters["host"],
            "login_port": int(parameters["port"]),
            "login_user": user,
            "login_password": parameters["password"],
            "login_db": database,
        }

    def __call__(
        self,
        *subsets: str,
        user: str = "postgres",
        login_db: str = "postgres",
        databases: Sequence[str] | None = ("app",),
        standby: bool = False,
        **options: Any,
    ) -> Report:
        """Everything, or the named subsets; of the shared database, or of those named (None: all)."""
        arguments = {
            **self.login(user, login_db, standby=standby),
            "gather_subset": list(subsets) or ["all"],
            "databases": list(databases or ()),
            **options,
        }
        return checked(*call(arguments))
