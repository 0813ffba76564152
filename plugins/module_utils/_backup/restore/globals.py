# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Roles out of a backup's globals: those that are missing here, and nothing about those that are not. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

_NAME = r'(?:"(?:[^"]|"")*"|[a-z_][a-z0-9_$]*)'
_CREATE = re.compile(rf"CREATE ROLE ({_NAME});\Z")
_ALTER = re.compile(rf"ALTER ROLE ({_NAME}) (?:WITH|SET) .*;\Z")
_GRANT = re.compile(rf"GRANT ({_NAME}) TO ({_NAME})((?: WITH [A-Z, ]+?)?)(?: GRANTED BY {_NAME})?;\Z")


def roles_in(text: str) -> frozenset[str]:
    return frozenset(_plain(found[1]) for found in map(_CREATE.match, text.splitlines()) if found)


def statements(text: str, missing: Set[str], present: Set[str]) -> Iterator[str]:
    """As pg_dumpall wrote them, passwords in their hashed form; memberships between roles that are there then."""
    there = missing | present
    for line in text.splitlines():
        made = _CREATE.match(line) or _ALTER.match(line)
        if made is not None:
            if _plain(made[1]) in missing:
                yield line
            continue
        granted = _GRANT.match(line)
        if granted is None:
            continue
        role, member = _plain(granted[1]), _plain(granted[2])
        if {role, member} & missing and {role, member} <= there:
            # Who granted it may not be here.
            yield f"GRANT {granted[1]} TO {granted[2]}{granted[3]};"


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
