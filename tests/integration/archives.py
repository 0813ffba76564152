"""A stage for archiving: a table, a directory, the two modules, and what is there afterwards, seen from outside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lab.clusters import Cluster
from lab.nodes import Node
from tests.integration import inside
from tests.integration.archive_tables import DATABASE, Table, wish

HOME = "/var/lib/postgresql"

# Everything below a directory with mode, size and hash; run by the node's own Python.
LIST = """
import hashlib, json, os, sys
found = {}
for place, _, names in os.walk(sys.argv[1]):
    for name in names:
        path = os.path.join(place, name)
        data = open(path, "rb").read()
        found[os.path.relpath(path, sys.argv[1])] = {
            "mode": oct(os.stat(path).st_mode & 0o7777), "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
print(json.dumps(found))
"""


@dataclass
class Stage:
    node: Node
    cluster: Cluster
    table: Table = field(default_factory=Table)
    destination: str = f"{HOME}/archive"
    options: Mapping[str, Any] = field(default_factory=dict)

    def clear(self, rows: int = 220) -> None:
        """The table as it was, and nothing where archives go."""
        self.node.exec(["rm", "-rf", f"{HOME}/archive", f"{HOME}/far", "/small/archive", inside.HELD])
        self.table.make(self.cluster, rows)

    # -- the modules ---------------------------------------------------------

    def wish(self, **archive: Any) -> dict[str, Any]:
        return {**wish(self.table, self.destination, {**self.options, **archive}), "retries": 1}

    def archive(self, *, check: bool = False, path: str | None = None, **archive: Any) -> inside.Ended:
        return inside.run(self.node, "pg_partition", self.wish(**archive), check=check, path=path)

    def restore(self, file: str, *, check: bool = False, **options: Any) -> inside.Ended:
        arguments = {"login_db": DATABASE, "file": file, "retries": 1, **options}
        return inside.run(self.node, "pg_partition_restore", arguments, check=check)

    # -- what is there -------------------------------------------------------

    def psql(self, statement: str) -> str:
        """What it prints; {table}, {schema} and {leaving}, the partition past its time, stand for names."""
        names = {"{table}": self.table.full, "{schema}": self.table.schema, "{leaving}": self.leaving}
        for name, meaning in names.items():
            statement = statement.replace(name, meaning)
        return self.cluster.psql(statement, DATABASE)

    @property
    def leaving(self) -> str:
        """The partition past its time, as SQL writes its name."""
        return f"{self.table.schema}.{self.table.partitions[0]}"

    def stands(self) -> bool:
        return self.table.exists(self.cluster, self.table.partitions[0])

    def content(self, name: str | None = None) -> str:
        return self.table.content(self.cluster, name)

    def partitions(self) -> int:
        return int(self.psql("SELECT count(*) FROM pg_inherits WHERE inhparent = $q${table}$q$::regclass"))

    def comment(self) -> str:
        return self.psql("SELECT obj_description($q${leaving}$q$::regclass, 'pg_class')")

    def files(self, place: str | None = None) -> dict[str, dict[str, Any]]:
        done = self.node.exec(["python3", "-c", LIST, place or self.destination])
        return dict(json.loads(done.stdout))

    def visible(self) -> list[str]:
        """What somebody who looks takes for an archive."""
        return [name for name in self.files() if not name.startswith(".") and not name.endswith(".manifest.json")]

    def manifest(self, file: str) -> dict[str, Any]:
        return dict(json.loads(self.node.exec(["cat", f"{file}.manifest.json"]).stdout))

    @cached_property
    def keys(self) -> tuple[str, str]:
        """A public key, and the file with the secret one."""
        place = "/tmp/inside-identity"
        self.node.exec(["rm", "-f", place])
        self.node.exec(["age-keygen", "-o", place], user="postgres")
        lines = self.node.exec(["cat", place]).stdout.splitlines()
        return next(line.split(": ")[1] for line in lines if "public key" in line), place
