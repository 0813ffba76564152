"""A stage for restoring: databases, backups of them by the server's own tools, and what is there afterwards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import (
    Extension,
    Manifest,
    Origin,
    Rows,
    Stored,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.properties import parse
from lab.clusters import Cluster
from lab.nodes import Node
from tests.integration import inside
from tests.integration.archives import LIST

HOME = "/var/lib/postgresql"
REPOSITORY = f"{HOME}/backups"

ORIGIN = """
SELECT json_build_object('database', d.datname, 'owner', pg_get_userbyid(d.datdba),
  'encoding', pg_encoding_to_char(d.encoding), 'collation', d.datcollate, 'ctype', d.datctype,
  'provider', CASE to_jsonb(d)->>'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
  'locale', coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale'),
  'tablespace', (SELECT spcname FROM pg_tablespace t WHERE t.oid = d.dattablespace),
  'bytes', pg_database_size(d.oid),
  'tablespaces', ARRAY(SELECT spcname FROM pg_tablespace t WHERE spcname NOT LIKE 'pg!_%' ESCAPE '!'
     AND (t.oid = d.dattablespace OR t.oid IN (SELECT reltablespace FROM pg_class))),
  'extensions', (SELECT json_agg(json_build_object('name', extname, 'version', extversion,
     'schema', extnamespace::regnamespace)) FROM pg_extension),
  'roles', ARRAY(SELECT DISTINCT r.rolname FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid
     WHERE s.refclassid = 'pg_authid'::regclass AND s.dbid = d.oid) || pg_get_userbyid(d.datdba),
  'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
  'server_version', current_setting('server_version'),
  'major', current_setting('server_version_num')::int / 10000, 'timeline', 1, 'lsn', NULL, 'standby', false,
  'properties', json_build_object('limit', d.datconnlimit, 'comment', shobj_description(d.oid, 'pg_database'),
     'grants', (SELECT json_agg(json_build_object('role', CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END,
         'privilege', a.privilege_type, 'grantable', a.is_grantable))
         FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a),
     'settings', (SELECT coalesce(json_agg(json_build_object('role', CASE WHEN s.setrole <> 0 THEN
         pg_get_userbyid(s.setrole) END, 'name', split_part(c, '=', 1), 'value', substr(c, strpos(c, '=') + 1))), '[]')
         FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE s.setdatabase = d.oid)))
FROM pg_database d WHERE d.datname = current_database()
"""
TABLES = """
SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname, (xpath('/row/n/text()', query_to_xml(
  format('SELECT count(*) AS n FROM ONLY %I.%I', n.nspname, c.relname), false, true, '')))[1]::text::int)), '[]')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


@dataclass
class Stage:
    node: Node
    cluster: Cluster
    number: int = 0

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

    def back_up(self, database: str, *options: str, **other: Any) -> str:
        """By pg_dump, with a manifest beside it; returns the id."""
        self.number += 1
        name = f"shop-all-20260801T02{self.number:04d}Z-0a1b2c"
        place = f"{REPOSITORY}/{name}"
        self.node.exec(["install", "-d", "-m", "0700", "-o", "postgres", "-g", "postgres", REPOSITORY, place])
        kind = other.get("format", "custom")
        dump = {"custom": "dump.pgdump", "directory": "dump", "plain": "dump.sql"}[kind]
        argv = [f"--port={self.cluster.port}", "--no-password"]
        argv += [f"--format={kind}", *options, f"--file={place}/{dump}", "--dbname", conninfo(database)]
        self.node.exec(["pg_dump", *argv], user="postgres")
        roles = ["pg_dumpall", "--globals-only", f"--port={self.cluster.port}", f"--file={place}/globals.sql"]
        self.node.exec(roles, user="postgres")
        wrapped = self._wrap(f"{place}/{dump}", f"{place}/globals.sql", **other) if other else ""
        self._manifest(name, database, dump + wrapped, kind, **other)
        return name

    def _wrap(self, dump: str, roles: str, **other: Any) -> str:
        ending = ""
        if other.get("wrapped"):
            self.node.exec(["zstd", "--rm", "-q", dump], user="postgres")
            ending = ".zst"
        for key in other.get("recipients", ()):
            for path in (dump + ending, roles):
                self.node.exec(["age", "-r", key, "-o", f"{path}.age", path], user="postgres")
                self.node.exec(["rm", path])
            ending += ".age"
        return ending

    def _manifest(self, name: str, database: str, dump: str, kind: str, **other: Any) -> None:
        told = json.loads(self.psql(ORIGIN, database))
        lists: Mapping[str, Any] = {
            "extensions": tuple(Extension(**each) for each in told["extensions"]),
            **{each: tuple(told[each]) for each in ("roles", "tablespaces")},
            "properties": parse(told["properties"]),
        }
        place = f"{REPOSITORY}/{name}"
        files = json.loads(self.node.exec(["python3", "-c", LIST, place]).stdout)
        roles = next(path for path in files if path.startswith("globals"))
        manifest = Manifest(
            id=name,
            number=self.number,
            label="",
            content=other.get("content", "all"),
            tables=other.get("tables", ()),
            format=kind,
            compression="gzip",
            level=None,
            recipients=tuple(other.get("recipients", ())),
            jobs=1,
            options=(),
            origin=replace(Origin(**{**told, **lists}), **other.get("origin", {})),
            dump=dump,
            globals=roles,
            wrapped="zstd" if other.get("wrapped") else "none",
            files=tuple(Stored(path, each["size"], each["sha256"]) for path, each in sorted(files.items())),
            streams=(),
            rows=tuple(Rows(*each) for each in json.loads(self.psql(TABLES, database))),
            started=f"2026-08-01T02:{self.number // 60:02d}:{self.number % 60:02d}Z",
            finished="2026-08-01T03:00:00Z",
            tools={},
        )
        self.node.write(f"{place}/manifest.json", manifest.to_json(), owner="postgres:postgres", mode="0600")

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
