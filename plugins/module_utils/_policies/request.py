# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The options of pg_policies, read before any server is contacted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._policies.state import PUBLIC, Policy, Wish

COMMANDS = ("all", "select", "insert", "update", "delete")

# A server cuts what is longer, and would then know the policy by another name.
_LONGEST = 63

_POLICY: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "command": {"type": "str", "choices": list(COMMANDS), "default": "all"},
    "roles": {"type": "list", "elements": "str", "default": [PUBLIC]},
    "using": {"type": "str"},
    "check": {"type": "str"},
    "permissive": {"type": "bool", "default": True},
}

_TABLE: dict[str, Any] = {
    "table": {"type": "str", "required": True},
    "policies": {"type": "list", "elements": "dict", "default": [], "options": _POLICY},
    "enabled": {"type": "bool", "default": True},
    "force": {"type": "bool", "default": False},
    "exclusive": {"type": "bool", "default": False},
}

POLICY_OPTIONS: dict[str, Any] = {
    "tables": {"type": "list", "elements": "dict", "required": True, "options": _TABLE},
    "lock_timeout": {"type": "float", "default": 2},
    "retries": {"type": "int", "default": 8},
}


def wishes(options: Mapping[str, Any]) -> list[Wish]:
    # Python takes 'inf' and 'nan' for numbers, the server does not.
    if not 0 < options["lock_timeout"] <= 3600 or options["retries"] < 0:
        raise Refused("lock_timeout takes more than zero and at most 3600 seconds, and retries zero or more.")
    return [_wish(each) for each in options["tables"]]


def _wish(entry: Mapping[str, Any]) -> Wish:
    table = entry["table"]
    policies = tuple(_policy(table, each) for each in entry["policies"])
    names = [each.name for each in policies]
    for name in names:
        if names.count(name) > 1:
            raise Refused(f"{table}: policy {name} stands there twice: give each policy of a table its own name.")
    return Wish(table, policies, entry["enabled"], entry["force"], entry["exclusive"])


def _policy(table: str, entry: Mapping[str, Any]) -> Policy:
    name, command = entry["name"], entry["command"]
    using, check = _expression(entry["using"]), _expression(entry["check"])
    place = f"{table}: policy {name}"
    if not name or "\0" in name:
        raise Refused(f"{table}: a policy has no name: give it one.")
    if len(name.encode()) > _LONGEST:
        raise Refused(f"{place} has a name of {len(name.encode())} bytes: the server keeps {_LONGEST}, shorten it.")
    if command in ("select", "delete") and check is not None:
        raise Refused(f"{place} is for {command}, which writes no row to check: leave check out.")
    if command == "insert" and using is not None:
        raise Refused(f"{place} is for insert, which reads no row: move its using to check.")
    if using is None and check is None:
        raise Refused(f"{place} has no expression: give using, check or both.")
    return Policy(name, command, entry["permissive"], _roles(place, entry["roles"]), using, check)


def _expression(text: str | None) -> str | None:
    return text.strip() or None if text is not None else None


def _roles(place: str, names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        raise Refused(f"{place} is for no role: name its roles, or leave roles out for everybody.")
    # No role can be called public, in any spelling that SQL does not quote; with everybody, others say nothing.
    return (PUBLIC,) if any(name.upper() == PUBLIC for name in names) else tuple(sorted(set(names)))
