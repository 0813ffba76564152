# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is wrong with an inventory's lists of objects, before any host is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

# Privileges on these are given in one schema.
IN_SCHEMA = ("table", "sequence", "function", "procedure", "type")

_ATTRIBUTES = ("superuser", "createdb", "createrole", "replication", "bypassrls", "inherit", "noinherit")

# Made with the server, and who makes everything else.
_FIRST = "postgres"

# The server would store it as it is.
_MD5 = re.compile(r"md5[0-9a-f]{32}")

# What the modules of community.postgresql cannot tell from their own quoting and separators.
_UNFIT = re.compile(r"[\"',%\x00-\x1f]")
_LONGEST = 63

Lists = Mapping[str, Sequence[Mapping[str, Any]]]


def refusals(lists: Lists, replication_role: str = "") -> list[str]:
    """Sentences, each about one entry; without any, the lists can be carried out as far as they alone tell.

    `replication_role` is who standbys log in as.
    """
    return [
        *_twice("provision_roles", (each["name"] for each in lists["roles"])),
        *_twice("provision_databases", (each["name"] for each in lists["databases"])),
        *(sentence for each in lists["roles"] for sentence in _role(each)),
        *(sentence for each in lists["roles"] for sentence in _stripped(each, replication_role)),
        *(sentence for each in lists["databases"] for sentence in _database(each)),
        *(sentence for each in lists["privileges"] for sentence in _privilege(each)),
    ]


def _twice(variable: str, names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"{variable} names {name} twice: give it one entry."
        seen.add(name)


def _role(entry: Mapping[str, Any]) -> Iterator[str]:
    name = entry["name"]
    yield from _name("Role", name)
    if name.startswith("pg_") or name.lower() in ("public", "none"):
        yield f"Role {name} has a name that the server keeps for itself: choose another."
    for group in entry.get("member_of") or []:
        yield from _name(f"member_of of role {name}:", group)
    unknown = [each for each in entry.get("attributes") or [] if each.lower() not in _ATTRIBUTES]
    if unknown:
        yield f"Role {name} has attribute {unknown[0]}, which is none of {', '.join(_ATTRIBUTES)}."
    if _MD5.fullmatch(entry.get("password") or ""):
        yield f"Role {name} has a password hashed as MD5, which is no longer safe: give the password or a SCRAM secret."


def _stripped(entry: Mapping[str, Any], replication_role: str) -> Iterator[str]:
    """A role has what is named and nothing else, which must not take from these what the cluster lives on."""
    name = entry["name"]
    has = {each.lower() for each in entry.get("attributes") or []}
    has |= set() if entry.get("login") is False else {"login"}
    if entry.get("state") == "absent":
        has = set()
    if name == _FIRST and not has >= {"login", "superuser"}:
        yield (
            f"Role {name} is the superuser that the server was made with and all of this is done as, and would be none "
            "any more: give it attributes: [superuser], or leave it out."
        )
    elif name == replication_role and not has >= {"login", "replication"}:
        yield (
            f"Role {name} is who standbys log in as, and could not replicate any more: give it attributes: "
            "[replication], or leave it out, since role replication makes it."
        )


def _database(entry: Mapping[str, Any]) -> Iterator[str]:
    name = entry["name"]
    yield from _name("Database", name)
    if entry.get("state") == "absent" and not entry.get("force"):
        yield (
            f"Database {name} is marked state: absent, which drops it with all its data: "
            "put force: true beside it if that is meant."
        )
    for one in entry.get("schemas") or []:
        schema = one if isinstance(one, str) else one["name"]
        yield from _name(f"Schema of database {name}:", schema)
        if "." in schema:
            yield f"Schema {schema} of database {name} has a dot in its name, which separates names: choose another."


def _privilege(entry: Mapping[str, Any]) -> Iterator[str]:
    kind, objs = entry.get("type") or "table", entry.get("objs")
    if not objs and kind != "database":
        yield f"A privilege in database {entry['database']} on {kind} names no objs: list them, or ALL_IN_SCHEMA."
    if entry.get("schema") and kind not in IN_SCHEMA:
        yield f"A privilege in database {entry['database']} on {kind} names a schema, which such an object has not."


def _name(what: str, name: str) -> Iterator[str]:
    length = len(name.encode())
    if not name or name != name.strip() or _UNFIT.search(name):
        yield (
            f"{what} {name!r} cannot be managed under that name: "
            "leave out quotes, commas, percent signs, line breaks and blanks at its ends."
        )
    elif length > _LONGEST:
        yield f"{what} {name} has a name of {length} bytes: the server keeps {_LONGEST}, shorten it."
