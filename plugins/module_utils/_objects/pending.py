# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which calls of a plan still have something to do. One whose state cannot be told exactly has.

Answers are truth values in the order of the plan, and nothing else: they cannot give a password away, and no password
that happens to be part of a name can spoil them.
"""

from __future__ import annotations

import stringprep
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._errors import NotPermitted
from ansible_collections.runbook.postgres.plugins.module_utils._objects import catalog
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.logins import fits
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

Call = Mapping[str, Any]
Opener = Callable[[str], AbstractContextManager[Session]]

# Calls that are made for one item each, and so are worth being left out.
KINDS = (
    "roles",
    "memberships",
    "databases",
    "schemas",
    "extensions",
    "privileges",
    "default_privileges",
    "removed_databases",
    "removed_roles",
)

PUBLIC = 0
_UNSAID = ("CURRENT_USER", "SESSION_USER", "CURRENT_ROLE")

# What is made: as pg_default_acl names it and as acldefault does.
_MADE = {"TABLES": ("r", "r"), "SEQUENCES": ("S", "s"), "FUNCTIONS": ("f", "f"), "TYPES": ("T", "T")}
_SCHEMAS = {"SCHEMAS": ("n", "n")}


def everything(plan: Mapping[str, Any]) -> dict[str, list[bool]]:
    """Where nothing can be read."""
    return {kind: [True] * len(plan.get(kind) or []) for kind in KINDS}


def pending(plan: Mapping[str, Any], passwords: Mapping[str, Any], exact_memberships: bool, opened: Opener) -> Call:
    """`opened`: a session on a database of that name."""
    found = everything(plan)
    with opened("postgres") as session:
        try:
            roles = catalog.roles(session, sorted(_names(plan)))
        except NotPermitted:
            # Who is no superuser does not see passwords, nor may he rely on what he sees.
            return {"pending": found, "unchangeable": []}
        databases = catalog.by_name(session, catalog.DATABASES)
        unchangeable = catalog.unchangeable(session, plan.get("fixed") or [])
        found["roles"] = [not _role(session, call, roles, passwords) for call in plan["roles"]]
    fixed = {row["name"] for row in unchangeable}
    found["memberships"] = [not _membership(call, roles, exact_memberships) for call in plan["memberships"]]
    found["databases"] = [
        call["name"] in fixed or not _database(call, databases.get(call["name"])) for call in plan["databases"]
    ]
    found["removed_databases"] = [name in databases for name in plan["removed_databases"]]
    found["removed_roles"] = [name in roles for name in plan["removed_roles"]]
    inside = ("schemas", "extensions", "privileges", "default_privileges")
    for name in sorted({call["database"] for kind in inside for call in plan[kind]}):
        if name not in databases or not databases[name]["open"]:
            continue
        with opened(name) as session:
            seen = _Database(session, name, roles)
            owned = [databases[name]["owner"]] if _moves(plan["databases"], name, databases[name]["owner"]) else []
            for kind, answers in seen.pending(plan, owned).items():
                places = (place for place, call in enumerate(plan[kind]) if call["database"] == name)
                for place, answer in zip(places, answers):
                    found[kind][place] = answer
    return {"pending": found, "unchangeable": unchangeable}


def _names(plan: Mapping[str, Any]) -> set[str]:
    """All roles that the plan names."""
    names = {call["name"] for call in plan["roles"]} | set(plan["removed_roles"])
    for call in plan["memberships"]:
        names.update(call["members"])
    for call in (*plan["privileges"], *plan["default_privileges"]):
        names.update(call["roles"].split(","))
        names.update((call.get("target_roles") or "").split(","))
    return names


def _moves(calls: Sequence[Call], name: str, owner: str) -> bool:
    return any(call["name"] == name and call.get("owner", owner) != owner for call in calls)


def _role(session: Session, call: Call, roles: Mapping[str, Any], passwords: Mapping[str, Any]) -> bool:
    role = roles.get(call["name"])
    if role is None:
        return False
    flags = [(flag[2:], False) if flag.startswith("NO") else (flag, True) for flag in call["flags"].split(",")]
    return (
        all(role.get(name) is value for name, value in flags)
        and role["connection_limit"] == call["connection_limit"]
        and call.get("comment", role["comment"]) == role["comment"]
        and ("valid_until" not in call or catalog.same_expiry(session, call["name"], call["valid_until"]))
        and _password(passwords.get(call["name"]), role["secret"])
    )


def _password(wanted: Any, secret: str | None) -> bool:
    if wanted is None:
        return True
    password = str(wanted)
    if not password or secret is None:
        return not password and secret is None
    # Where the server prepares a password in another way than `fits` does, the module that sets it has to tell.
    usual = password.isascii() or not any(map(_unusual, password))
    return password == secret or (usual and fits(password, secret))


def _unusual(sign: str) -> bool:
    tables = (stringprep.in_table_a1, stringprep.in_table_b1, stringprep.in_table_c12, stringprep.in_table_d1)
    return any(table(sign) for table in tables)


def _membership(call: Call, roles: Mapping[str, Any], exact: bool) -> bool:
    wanted = set(call["groups"])
    for member in call["members"]:
        groups = set(roles[member]["groups"]) if member in roles else None
        if groups is None or not (groups == wanted if exact else groups >= wanted):
            return False
    return True


def _database(call: Call, there: Call | None) -> bool:
    names = ("owner", "connection_limit", "tablespace", "comment")
    return there is not None and all(call.get(name, there[name]) == there[name] for name in names)


class _Database:
    """One database, its session open."""

    def __init__(self, session: Session, name: str, roles: Mapping[str, Any]) -> None:
        self.session = session
        self.name = name
        self.roles = roles
        self.schemas = catalog.by_name(session, catalog.SCHEMAS)
        self.extensions = catalog.by_name(session, catalog.EXTENSIONS)
        self._all: dict[str, frozenset[str]] = {}

    def pending(self, plan: Mapping[str, Any], owners: Sequence[str]) -> dict[str, list[bool]]:
        """`owners`: who will not own the database any more, and so may lose what owners have."""
        calls = {kind: [call for call in plan[kind] if call["database"] == self.name] for kind in KINDS[3:7]}
        schemas = [not self._schema(call) for call in calls["schemas"]]
        extensions = [not self._extension(call) for call in calls["extensions"]]
        leaving = {*owners, *(self.schemas[call["name"]]["owner"] for call in calls["schemas"] if self._moved(call))}
        # A new extension brings objects along.
        filling = {call.get("schema") or "public" for call, due in zip(calls["extensions"], extensions) if due}
        return {
            "schemas": schemas,
            "extensions": extensions,
            "privileges": [
                bool(leaving.intersection(call["roles"].split(",")))
                or (call.get("objs") == "ALL_IN_SCHEMA" and call.get("schema") in filling)
                or not self._privilege(call)
                for call in calls["privileges"]
            ],
            "default_privileges": [not self._default(call) for call in calls["default_privileges"]],
        }

    def _schema(self, call: Call) -> bool:
        there = self.schemas.get(call["name"])
        return there is not None and all(call.get(name, there[name]) == there[name] for name in ("owner", "comment"))

    def _moved(self, call: Call) -> bool:
        there = self.schemas.get(call["name"])
        return there is not None and call.get("owner", there["owner"]) != there["owner"]

    def _extension(self, call: Call) -> bool:
        there = self.extensions.get(call["name"])
        return there is not None and call.get("version", there["version"]) == there["version"]

    def _privilege(self, call: Call) -> bool:
        kind, query = catalog.OBJECTS.get(call["type"], ("", ""))
        privileges = self._privileges(call["privs"], kind) if kind else None
        grantees = self._grantees(call["roles"])
        all_of_them = call.get("objs") == "ALL_IN_SCHEMA"
        names = self._objects(call)
        if not privileges or grantees is None or names is None:
            return False
        if all_of_them and (call["type"] == "type" or call["schema"] not in self.schemas):
            return False
        given = {
            "kind": kind,
            "schema": call.get("schema"),
            "all": all_of_them,
            "names": names,
            "grantees": grantees,
            "privileges": sorted(privileges),
            "grantable": call.get("grant_option"),
        }
        asked = catalog.GRANTED if call["state"] == "present" else catalog.REVOKED
        [answer] = self.session.fetch(asked.replace("{objects}", query), given)
        return bool(answer["so"]) and (all_of_them or answer["found"] == len(names))

    def _objects(self, call: Call) -> list[Any] | None:
        """Names, or numbers of functions; None where one of them is not to be found."""
        if call.get("objs") == "ALL_IN_SCHEMA":
            return []
        names = sorted(set((call.get("objs") or self.name).split(",")))
        if call["type"] not in ("function", "procedure"):
            return names
        found = {catalog.signature(self.session, call["schema"], name.replace(":", ",")) for name in names}
        return None if None in found else sorted(oid for oid in found if oid is not None)

    def _privileges(self, written: str, kind: str) -> frozenset[str] | None:
        """None for what is none of this kind."""
        known = self._known(kind)
        if written == "ALL":
            return known
        named = frozenset("TEMPORARY" if word == "TEMP" else word for word in written.split(","))
        return named if named <= known else None

    def _known(self, kind: str) -> frozenset[str]:
        if kind not in self._all:
            self._all[kind] = catalog.all_privileges(self.session, kind)
        return self._all[kind]

    def _grantees(self, written: str) -> list[int] | None:
        found = []
        for name in written.split(","):
            if name.upper() == "PUBLIC":
                found.append(PUBLIC)
            elif name.upper() in _UNSAID or name not in self.roles:
                return None
            else:
                found.append(int(self.roles[name]["oid"]))
        return found

    def _makers(self, call: Call) -> list[int] | None:
        if call.get("target_roles"):
            return self._grantees(call["target_roles"])
        [row] = self.session.fetch(catalog.CURRENT_USER)
        return self._grantees(row["name"])

    def _default(self, call: Call) -> bool:
        """One call states all that these roles have, not only what it names."""
        grantees, makers = self._grantees(call["roles"]), self._makers(call)
        schema = 0 if call["schema"] == "not-specified" else self.schemas.get(call["schema"], {}).get("oid")
        made = {**_MADE, **_SCHEMAS}
        # However it is written, it takes away what there is on all of them.
        kinds = call["objs"].split(",") if call["state"] == "present" else list(_MADE)
        if grantees is None or makers is None or schema is None or any(each not in made for each in kinds):
            return False
        for each in kinds:
            sign, kind = made[each]
            wanted = self._privileges(call["privs"], kind) if call["state"] == "present" else frozenset()
            if wanted is None:
                return False
            expected = {(privilege, False) for privilege in wanted}
            for maker in makers:
                for grantee in grantees:
                    given = {"maker": maker, "schema": schema, "made": sign, "kind": kind, "grantee": grantee}
                    rows = self.session.fetch(catalog.DEFAULTS, given)
                    if {(row["privilege"], row["grantable"]) for row in rows} != expected:
                        return False
        return True
