"""A stage for logical backups: a database with a name that is hard to quote, a directory, and what is in it."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from psycopg2 import sql

from ansible_collections.runbook.postgres.plugins.module_utils._backup import manifest as manifests
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import Manifest
from lab.nodes import Node
from tests.integration import inside
from tests.integration.archives import HOME, LIST
from tests.integration.servers import Server

DATABASE = "sh\"op %s; --'ü"
READABLE = "sh-op-s"
PLACE, FAR = f"{HOME}/backups", f"{HOME}/far"

CONTENT = """
CREATE SCHEMA "o'dd";
CREATE EXTENSION IF NOT EXISTS citext;
CREATE TABLE public.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, word citext, at timestamptz);
CREATE TABLE "o'dd"."t ""a"" *" (id int REFERENCES public.orders DEFERRABLE, note text);
CREATE TABLE public.parts (n int NOT NULL, t text) PARTITION BY RANGE (n);
CREATE TABLE public.parts_1 PARTITION OF public.parts FOR VALUES FROM (0) TO (100);
CREATE TABLE public.parts_2 PARTITION OF public.parts FOR VALUES FROM (100) TO (200);
INSERT INTO public.orders (word, at) SELECT md5(n || ''), '2026-01-01' FROM generate_series(1, 1000) n;
INSERT INTO "o'dd"."t ""a"" *" SELECT n, 'ü' || n FROM generate_series(1, 10) n;
INSERT INTO public.parts SELECT n, repeat('x', n) FROM generate_series(0, 199) n;
CREATE VIEW public.seen AS SELECT count(*) AS orders FROM public.orders;
SELECT lo_from_bytea(0, '\\xdeadbeef');
"""


@dataclass
class Backups:
    server: Server
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def node(self) -> Any:
        return self.server.node

    def clear(self) -> None:
        """No backup anywhere."""
        self.options = {}
        self.node.exec(["rm", "-rf", PLACE, FAR, "/small/backups", inside.HELD])

    def wish(self, **options: Any) -> dict[str, Any]:
        return {"database": DATABASE, "destination": PLACE, "max_age": "0", **self.options, **options}

    def take(self, *, check: bool = False, **how: Any) -> inside.Ended:
        options = {name: how.pop(name) for name in list(how) if name in ("die", "user", "path")}
        return inside.run(self.node, "pg_backup", self.wish(**how), check=check, **options)

    def taken(self, **how: Any) -> dict[str, Any]:
        """The result of a run that must succeed."""
        done = self.take(**how)
        assert done.code == 0, done.text
        return dict(done.result)

    def info(self, **options: Any) -> dict[str, Any]:
        done = inside.run(self.node, "pg_backup_info", {"destination": PLACE, **options})
        assert done.code == 0, done.text
        return dict(done.result)

    # -- what is there, from outside -------------------------------------------

    def files(self, place: str = PLACE) -> dict[str, dict[str, Any]]:
        return dict(json.loads(self.node.exec(["python3", "-c", LIST, place]).stdout))

    def names(self, place: str = PLACE) -> list[str]:
        """All there is in the directory, hidden or not, but the lock."""
        done = self.node.exec(["ls", "-A1", place], check=False)
        return [name for name in done.stdout.splitlines() if not name.endswith(".lock")]

    def visible(self, place: str = PLACE) -> list[str]:
        return [name for name in self.names(place) if not name.startswith(".")]

    def manifest(self, path: str) -> dict[str, Any]:
        return dict(json.loads(self.node.exec(["cat", f"{path}/manifest.json"]).stdout))

    def forged(self, path: str, **origin: Any) -> None:
        """Believed as it is, and says something else of the database."""
        forge(self.node, path, lambda told: replace(told, origin=replace(told.origin, **origin)))

    def counted(self, path: str, rows: Mapping[str, int]) -> None:
        """Believed, and counts as many rows of these tables."""

        def recounted(told: Manifest) -> Manifest:
            return replace(told, rows=tuple(replace(each, rows=rows[each.table]) for each in told.rows or ()))

        forge(self.node, path, recounted)

    def raw(self, path: str) -> bytes:
        return base64.b64decode(self.node.exec(["base64", path]).stdout)

    def altered(self, path: str, statement: str) -> None:
        """A Python statement on the bytes of a file, called data."""
        done = f"data = bytearray(open(p, 'rb').read()); {statement}; open(p, 'wb').write(data)"
        self.node.exec(["python3", "-c", f"import sys; p = sys.argv[1]; {done}", path])

    @contextlib.contextmanager
    def enlarged(self) -> Iterator[None]:
        """By a table that no pipe holds: who stops reading keeps pg_dump from ending."""
        self.server.run(
            "CREATE TABLE public.large AS SELECT n, md5(n || '') FROM generate_series(1, 80000) n", database=DATABASE
        )
        try:
            yield
        finally:
            self.server.run("DROP TABLE public.large", database=DATABASE)

    def content(self, database: str = DATABASE) -> dict[str, str]:
        """Each table's rows as one hash."""
        tables = ("public.orders", '"o\'dd"."t ""a"" *"', "public.parts")
        query = "SELECT md5(coalesce(string_agg(t::text, ',' ORDER BY t::text), '')) FROM {} t"
        return {
            each: str(self.server.value(sql.SQL(query).format(sql.SQL(each)), database=database)) for each in tables
        }

    @cached_property
    def keys(self) -> tuple[str, str]:
        """A public key, and the file with the secret one."""
        place = f"{HOME}/backup-identity"
        self.node.exec(["rm", "-f", place])
        self.node.exec(["age-keygen", "-o", place], user="postgres")
        lines = self.node.exec(["cat", place]).stdout.splitlines()
        return next(line.split(": ")[1] for line in lines if "public key" in line), place


def forge(node: Node, path: str, change: Callable[[Manifest], Manifest]) -> None:
    """Another manifest, which is believed as the first one was."""
    name = f"{path}/{manifests.NAME}"
    told = manifests.parse(node.exec(["cat", name]).stdout, Path(name))
    node.write(name, change(told).to_json(), owner="postgres:postgres", mode="0600")


def fill(server: Server) -> None:
    name = sql.Identifier(DATABASE)
    server.run(sql.SQL("DROP DATABASE IF EXISTS {}").format(name), database="postgres")
    server.run(sql.SQL("CREATE DATABASE {}").format(name), database="postgres")
    with server.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute(CONTENT)


def levels(result: Mapping[str, Any]) -> str:
    verified = result["verified"]
    return "none" if verified is None else str(verified["level"])
