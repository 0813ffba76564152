"""Calls pg_partition as Ansible would, in this process, and asks the server what came of it."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.testing import patch_module_args
from psycopg2 import sql

from tests.integration.servers import Server

MODULE = "ansible_collections.runbook.postgres.plugins.modules.pg_partition"
DATABASE = "parts"

# Partitions by what the server says about them, in order of their names.
PARTITIONS = """
SELECT c.relname::text, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = to_regclass(%s) ORDER BY 1
"""


@dataclass(frozen=True)
class Partitions:
    """Calls the module against one server."""

    server: Server

    def arguments(self, *tables: Mapping[str, Any], user: str = "postgres") -> dict[str, Any]:
        parameters = self.server.parameters(DATABASE, user)
        return {
            "login_host": parameters["host"],
            "login_port": int(parameters["port"]),
            "login_user": user,
            "login_password": parameters["password"],
            "login_db": DATABASE,
            "tables": [dict(table) for table in tables],
        }

    def __call__(
        self, *tables: Mapping[str, Any], check: bool = False, user: str = "postgres", **options: Any
    ) -> dict[str, Any]:
        """The result, also of a call that failed."""
        arguments = self.arguments(*tables, user=user) | options
        module = importlib.import_module(MODULE)
        out = io.StringIO()
        arguments.update(_ansible_check_mode=check, _ansible_diff=True)
        with patch_module_args(arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            module.main()
        result = dict(json.loads(out.getvalue()))
        result.pop("invocation", None)
        return result

    def done(self, *tables: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        """A run that must succeed, that check mode foretold exactly and without changing anything, and whose
        repetition has nothing left to do."""
        before = self.fingerprint()
        foretold = self(*tables, check=True, **options)
        assert not foretold.get("failed"), foretold
        assert self.fingerprint() == before
        result = self(*tables, **options)
        assert not result.get("failed"), result
        assert comparable(result) == comparable(foretold)
        again = self(*tables, **options)
        assert not again.get("failed"), again
        assert again["changed"] is False, again
        assert all(not table[what] for table in again["tables"] for what in ("created", "detached", "dropped"))
        return result

    def refused(self, *tables: Mapping[str, Any], **options: Any) -> str:
        """The sentence of a run that must be refused, alike in check mode, with nothing changed."""
        before = self.fingerprint()
        foretold = self(*tables, check=True, **options)
        result = self(*tables, **options)
        assert result.get("failed"), result
        assert foretold.get("msg") == result["msg"]
        assert not result["changed"] if "changed" in result else True
        assert self.fingerprint() == before
        return str(result["msg"])

    def names(self, table: str) -> list[str]:
        return [name for name, _bound in self.bounds(table)]

    def bounds(self, table: str) -> list[tuple[str, str]]:
        with self.connect(options="-c TimeZone=UTC") as cursor:
            cursor.execute(PARTITIONS, [table])
            return list(cursor.fetchall())

    def fingerprint(self) -> list[tuple[Any, ...]]:
        """What changes whenever a table, index, comment or privilege does."""
        with self.connect() as cursor:
            cursor.execute(
                "SELECT c.oid, c.xmin::text, c.relname, c.relacl::text, obj_description(c.oid, 'pg_class')"
                " FROM pg_class c WHERE relnamespace::regnamespace::text NOT LIKE 'pg%' ORDER BY 1"
            )
            return list(cursor.fetchall())

    @contextlib.contextmanager
    def connect(self, user: str = "postgres", **libpq: Any) -> Iterator[Any]:
        with self.server.connect(DATABASE, user, **libpq) as connection, connection.cursor() as cursor:
            yield cursor

    def run(self, *statements: str | sql.Composable, user: str = "postgres") -> None:
        with self.connect(user) as cursor:
            for statement in statements:
                cursor.execute(statement)

    def value(self, query: str | sql.Composable, values: object = None) -> Any:
        return self.server.value(query, values, database=DATABASE)

    def rows(self, query: str | sql.Composable, values: object = None) -> list[tuple[Any, ...]]:
        with self.connect() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall())


def comparable(result: Mapping[str, Any]) -> dict[str, Any]:
    """What check mode and the real run have to say alike."""
    timed = ("steps", "longest_attempt_seconds", "converted")
    tables = [{key: value for key, value in table.items() if key not in timed} for table in result["tables"]]
    return {"changed": result["changed"], "diff": result.get("diff"), "tables": tables}


@contextlib.contextmanager
def database(server: Server) -> Iterator[Partitions]:
    """An empty database of its own, gone afterwards with whoever is still in it."""
    server.run(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", f"CREATE DATABASE {DATABASE}")
    server.run("GRANT CREATE ON SCHEMA public TO plain", database=DATABASE)
    try:
        yield Partitions(server)
    finally:
        server.run(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
