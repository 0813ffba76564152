"""Calls pg_policies and pg_table_settings in this process, on a database of their own."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.testing import patch_module_args

from tests.integration.servers import Server

MODULES = "ansible_collections.runbook.postgres.plugins.modules"
DATABASE = "objects"


@dataclass(frozen=True)
class Calls:
    """Calls one module against one server."""

    server: Server
    module: str

    def __call__(self, *tables: Mapping[str, Any], check: bool = False, user: str = "postgres", **options: Any) -> Any:
        """The result, also of a call that failed."""
        parameters = self.server.parameters(DATABASE, user)
        arguments = {
            "login_host": parameters["host"],
            "login_port": int(parameters["port"]),
            "login_user": user,
            "login_password": parameters["password"],
            "login_db": DATABASE,
            "tables": [dict(table) for table in tables],
            **options,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
        }
        out = io.StringIO()
        module = importlib.import_module(f"{MODULES}.{self.module}")
        with patch_module_args(arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            module.main()
        result = dict(json.loads(out.getvalue()))
        result.pop("invocation", None)
        return result

    def done(self, *tables: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        """A run that must succeed, that check mode foretold exactly and changed nothing, and that is not repeated."""
        before = self.fingerprint()
        foretold = self(*tables, check=True, **options)
        assert not foretold.get("failed"), foretold
        assert self.fingerprint() == before
        result = self(*tables, **options)
        assert not result.get("failed"), result
        assert result == foretold
        assert (self.fingerprint() != before) is result["changed"]
        for check in (True, False):
            again = self(*tables, check=check, **options)
            assert not again.get("failed"), again
            assert again["changed"] is False, again
            assert again["diff"] == []
        return dict(result)

    def refused(self, *tables: Mapping[str, Any], **options: Any) -> str:
        """The sentence of a run that must be refused, alike in check mode, with nothing changed."""
        before = self.fingerprint()
        foretold = self(*tables, check=True, **options)
        result = self(*tables, **options)
        assert result.get("failed"), result
        assert foretold.get("msg") == result["msg"]
        assert self.fingerprint() == before
        return str(result["msg"])

    def fingerprint(self) -> list[tuple[Any, ...]]:
        """What changes whenever a table or a policy does."""
        with self.server.connect(DATABASE) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT oid, xmin::text, relname::text, reloptions::text FROM pg_class WHERE oid >= 16384"
                " AND relnamespace::regnamespace::text !~ '^pg_(toast_)?temp'"
                " UNION ALL SELECT oid, xmin::text, polname::text, NULL FROM pg_policy ORDER BY 1"
            )
            return list(cursor.fetchall())

    def run(self, *statements: Any) -> None:
        self.server.run(*statements, database=DATABASE)

    def value(self, query: Any, values: object = None) -> Any:
        return self.server.value(query, values, database=DATABASE)

    def rows(self, query: Any, user: str = "postgres") -> list[tuple[Any, ...]]:
        with self.server.connect(DATABASE, user) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())


@contextlib.contextmanager
def database(server: Server, module: str) -> Iterator[Calls]:
    """An empty database of its own, gone afterwards with whoever is still in it."""
    server.run(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", f"CREATE DATABASE {DATABASE}")
    try:
        yield Calls(server, module)
    finally:
        server.run(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
