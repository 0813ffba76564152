# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Roles, databases and what belongs to them: an inventory's lists become calls of modules, or sentences of refusal.

Passwords stay where they are; a call says only that there is one. Where a call stands on something that is not there
yet, `predicted` says whether it will then have something to change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._objects.refuse import IN_SCHEMA, refusals

# Switched off unless a role's attributes name them.
_OFF = ("superuser", "createdb", "createrole", "replication", "bypassrls")

# Every server has them from the beginning; they are taken as they are.
INITIAL = ("postgres", "template0", "template1")

# Extensions that bring tables or views along, and so something to grant.
_WITH_RELATIONS = frozenset(
    ("pg_stat_statements", "pg_buffercache", "pg_stat_kcache", "pg_qualstats", "postgis", "pg_partman", "hypopg")
)

_KINDS = ("roles", "databases", "privileges", "default_privileges", "autovacuum", "policies")


def planned(
    given: Mapping[str, Sequence[Mapping[str, Any]]],
    version: int | None = None,
    revoke_public_create: bool = True,
    exact_memberships: bool = False,
    replication_role: str = "",
) -> dict[str, Any]:
    """given: the lists of `_KINDS`; version: the server's major, where it is known."""
    lists = {kind: list(given.get(kind) or []) for kind in _KINDS}
    refused = refusals(lists, replication_role)
    if refused:
        # What follows relies on what was refused.
        return {"refusals": refused}
    roles = [each for each in lists["roles"] if _present(each)]
    databases = [each for each in lists["databases"] if _present(each)]
    revoke = revoke_public_create and (version is None or version < 15)
    return {
        "refusals": [],
        "roles": [_role(each) for each in roles],
        "memberships": _memberships(roles, exact_memberships),
        "databases": [_database(each) for each in databases if each["name"] not in INITIAL],
        "fixed": [_fixed(each) for each in databases if _fixed(each)],
        "schemas": [_schema(each, one) for each in databases for one in each.get("schemas") or []],
        "extensions": [_extension(each, one) for each in databases for one in each.get("extensions") or []],
        "privileges": [
            *_public(databases, revoke, version),
            *(_privilege(each, databases) for each in lists["privileges"]),
        ],
        "default_privileges": [_default_privilege(each) for each in lists["default_privileges"]],
        "autovacuum": _by_database(lists["autovacuum"]),
        "policies": _by_database(lists["policies"]),
        "removed_databases": [each["name"] for each in lists["databases"] if not _present(each)],
        "removed_roles": [each["name"] for each in lists["roles"] if not _present(each)],
    }


def narrowed(plan: Mapping[str, Any], pending: Mapping[str, Sequence[bool]]) -> dict[str, Any]:
    """Only those calls that are pending; lists of which nothing is said stay whole."""
    return {
        kind: [call for call, due in zip(calls, pending[kind]) if due] if kind in pending else calls
        for kind, calls in plan.items()
    }


def _present(entry: Mapping[str, Any]) -> bool:
    return bool((entry.get("state") or "present") == "present")


def _known(**values: Any) -> dict[str, Any]:
    """Without what is not said, so that a template can leave it out."""
    return {name: value for name, value in values.items() if value is not None}


def _role(entry: Mapping[str, Any]) -> dict[str, Any]:
    attributes = [each.lower() for each in entry.get("attributes") or []]
    login = entry.get("login")
    flags = ["login" if login is None or login else "nologin"]
    flags += [each if each in attributes else f"no{each}" for each in _OFF]
    flags += [each for each in attributes if each not in _OFF]
    limit = entry.get("connection_limit")
    return _known(
        name=entry["name"],
        flags=",".join(flags).upper(),
        connection_limit=-1 if limit is None else int(limit),
        valid_until=None if entry.get("valid_until") is None else str(entry["valid_until"]),
        comment=entry.get("comment"),
    )


def _memberships(roles: Sequence[Mapping[str, Any]], exact: bool) -> list[dict[str, Any]]:
    """Roles with the same memberships share a call."""
    calls: dict[tuple[str, ...], list[str]] = {}
    for each in roles:
        groups = each.get("member_of")
        if groups or (exact and groups is not None):
            calls.setdefault(tuple(sorted(set(groups))), []).append(each["name"])
    return [{"groups": list(groups), "members": members} for groups, members in calls.items()]


def _database(entry: Mapping[str, Any]) -> dict[str, Any]:
    collate, ctype = (entry.get(name) or entry.get("locale") for name in ("lc_collate", "lc_ctype"))
    limit = entry.get("connection_limit")
    # Another encoding or locale than its own can only be had from the empty template.
    template = "template0" if entry.get("encoding") or collate or ctype else None
    return _known(
        name=entry["name"],
        owner=entry.get("owner"),
        encoding=entry.get("encoding"),
        lc_collate=collate,
        lc_ctype=ctype,
        template=entry.get("template") or template,
        tablespace=entry.get("tablespace"),
        connection_limit=str(-1 if limit is None else limit),
        comment=entry.get("comment"),
    )


def _fixed(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What no database can change once it is there."""
    database = _database(entry)
    fixed: dict[str, Any] = {
        name: database[name] for name in ("encoding", "lc_collate", "lc_ctype") if name in database
    }
    return {"name": entry["name"], **fixed} if fixed else {}


def _named(entry: Any) -> Mapping[str, Any]:
    return {"name": entry} if isinstance(entry, str) else entry


def _schema(database: Mapping[str, Any], entry: Any) -> dict[str, Any]:
    schema = _named(entry)
    # A new database has this one.
    there = schema["name"] == "public" and schema.get("owner") is None and schema.get("comment") is None
    return _known(
        database=database["name"],
        name=schema["name"],
        owner=schema.get("owner"),
        comment=schema.get("comment"),
        predicted=not there,
    )


def _extension(database: Mapping[str, Any], entry: Any) -> dict[str, Any]:
    extension = _named(entry)
    version = extension.get("version")
    return _known(
        database=database["name"],
        name=extension["name"],
        schema=extension.get("schema"),
        version=None if version is None else str(version),
        predicted=extension["name"] != "plpgsql",
    )


def _public(
    databases: Sequence[Mapping[str, Any]], revoke_create: bool, version: int | None
) -> Iterator[dict[str, Any]]:
    """What everybody may do in a new database and should not."""
    for each in databases:
        name = each["name"]
        taken = {"database": name, "roles": "PUBLIC", "state": "absent", "predicted": True}
        if revoke_create and name not in INITIAL:
            create = {"type": "schema", "objs": "public", "privs": "CREATE"}
            yield {**taken, **create, "label": f"{name}: PUBLIC, CREATE"}
            if each.get("owner") and version is not None:
                # From 15 on the schema is the database owner's; before, everybody's was the owner's only right.
                kept = {**taken, **create, "roles": each["owner"], "state": "present"}
                yield {**kept, "label": f"{name}: {each['owner']}, CREATE"}
        if each.get("revoke_public_connect"):
            privs = "CONNECT,TEMPORARY"
            yield {**taken, "type": "database", "objs": name, "privs": privs, "label": f"{name}: PUBLIC, {privs}"}


def _privilege(entry: Mapping[str, Any], databases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kind, names = entry.get("type") or "table", _words(entry.get("objs"))
    if kind in ("function", "procedure"):
        # A comma separates objects; inside of a signature a colon stands for it.
        names = [name.replace(",", ":") for name in names]
    objs = ",".join(names) or None
    schema = (entry.get("schema") or "public") if kind in IN_SCHEMA else None
    roles = ",".join(_words(entry["roles"]))
    label = f"{entry['database']}: {roles}, {','.join(_words(entry['privs']))} on {kind} {objs or entry['database']}"
    return _known(
        database=entry["database"],
        type=kind,
        objs=objs,
        schema=schema,
        privs=",".join(_words(entry["privs"])).upper(),
        roles=roles,
        state=entry.get("state") or "present",
        grant_option=entry.get("grant_option"),
        predicted=objs != "ALL_IN_SCHEMA" or _brought(entry["database"], schema, kind, databases),
        label=label,
    )


def _brought(database: str, schema: str | None, kind: str, databases: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a schema of a new database holds anything of that kind: then an extension put it there."""
    for each in databases:
        for one in (each.get("extensions") or []) if each["name"] == database else []:
            extension = _named(one)
            inside = (extension.get("schema") or "public") == schema and extension["name"] != "plpgsql"
            if inside and (kind == "function" or (kind == "table" and extension["name"] in _WITH_RELATIONS)):
                return True
    return False


def _default_privilege(entry: Mapping[str, Any]) -> dict[str, Any]:
    objs, roles = ",".join(_words(entry["objs"])).upper(), ",".join(_words(entry["roles"]))
    privs = ",".join(_words(entry["privs"])).upper()
    return _known(
        database=entry["database"],
        # The module takes its own word for no schema at all.
        schema=entry.get("schema") or "not-specified",
        objs=objs,
        privs=privs,
        roles=roles,
        target_roles=",".join(_words(entry.get("target_roles"))) or None,
        state=entry.get("state") or "present",
        label=f"{entry['database']}: {roles}, {privs} on new {objs}",
    )


def _words(given: Any) -> list[str]:
    if given is None:
        return []
    return [str(each) for each in given] if isinstance(given, (list, tuple)) else [str(given)]


def _by_database(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One call for all tables of a database."""
    calls: dict[str, list[dict[str, Any]]] = {}
    for each in entries:
        table = {name: value for name, value in each.items() if name != "database" and value is not None}
        calls.setdefault(each["database"], []).append(table)
    return [{"database": database, "tables": tables} for database, tables in calls.items()]
