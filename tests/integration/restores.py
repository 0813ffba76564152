"""A stage for restoring: databases, backups of them, and what is there afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import Manifest
from lab.clusters import Cluster
from lab.nodes import Node
from tests.integration import inside
from tests.integration.backups import forge

HOME = "/var/lib/postgresql"
REPOSITORY = f"{HOME}/backups"


@dataclass
class Stage:
    node: Node
    cluster: Cluster

    def clear(self) -> None:
        """No database but the server's own, and no backup."""
        self.node.exec(["rm", "-rf", REPOSITORY, f"{HOME}/far", inside.HELD])
        for name in self.databases():
            if name not in ("postgres", "app", "archive"):
                quoted = '"' + name.replace('"', '""') + '"'
                self.cluster.psql(f"ALTER DATABASE {quoted} ALLOW_CONNECTIONS true")
                self.cluster.psql(f"DROP DATABASE {quoted} WITH (FORCE)")

    # -- the module ----------------------------------------------------------

    def restore(self, *, check: bool = False, die: inside.Interrupt | None = None, **options: Any) -> inside.Ended:
        return inside.run(self.node, "pg_restore", self.arguments(**options), check=check, die=die)

    def arguments(self, **options: Any) -> dict[str, Any]:
        return {"login_unix_socket": "/var/run/postgresql", "repository": REPOSITORY, **options}

    def done(self, **options: Any) -> inside.Ended:
        """A run that a check run foretold, that succeeded and that is not repeated."""
        foretold = self.restore(check=True, **options)
        assert not foretold.result.get("failed"), foretold.text
        result = self.restore(**options)
        assert not result.result.get("failed"), result.text
        assert foretold.result["changed"] == result.result["changed"]
        before, after = (each.result["diff"]["before"] for each in (foretold, result))
        assert before == after
        again = self.restore(**{**options, "again": False})
        assert again.result["changed"] is False, again.text
        return result

    # -- what is there -------------------------------------------------------

    def psql(self, statement: str, database: str = "postgres") -> str:
        return self.cluster.psql(statement, database)

    def databases(self) -> list[str]:
        return self.psql("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1").splitlines()

    def kept(self, target: str) -> list[str]:
        return [name for name in self.databases() if name.startswith(f"{target}_before_")]

    # -- backups -------------------------------------------------------------

    def back_up(self, database: str, *, origin: Mapping[str, Any] | None = None, **options: Any) -> str:
        """By pg_backup, its id; `origin` is what its manifest then says of the database instead."""
        wish = {"database": database, "destination": REPOSITORY, "max_age": "0", "count_rows": True, **options}
        done = inside.run(self.node, "pg_backup", {"login_unix_socket": "/var/run/postgresql", **wish})
        assert done.code == 0, done.text
        name = str(done.result["id"])
        if origin is not None:
            self.forge(name, lambda told: replace(told, origin=replace(told.origin, **origin)))
        return name

    def forge(self, name: str, change: Callable[[Manifest], Manifest]) -> None:
        forge(self.node, f"{REPOSITORY}/{name}", change)

    def backups(self) -> list[str]:
        """All that bears a backup's name."""
        return [name for name in self.node.exec(["ls", REPOSITORY]).stdout.split() if not name.startswith(".")]

    def manifest(self, name: str) -> dict[str, Any]:
        return dict(json.loads(self.node.exec(["cat", f"{REPOSITORY}/{name}/manifest.json"]).stdout))

    @cached_property
    def keys(self) -> tuple[str, str]:
        """A public key, and the file with the secret one."""
        place = "/tmp/restore-identity"
        self.node.exec(["rm", "-f", place])
        self.node.exec(["age-keygen", "-o", place], user="postgres")
        lines = self.node.exec(["cat", place]).stdout.splitlines()
        return next(line.split(": ")[1] for line in lines if "public key" in line), place


def conninfo(database: str) -> str:
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"


def only(names: Sequence[str]) -> str:
    [name] = names
    return name
