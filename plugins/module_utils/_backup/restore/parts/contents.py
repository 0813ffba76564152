# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A dump's table of contents as pg_restore lists it: which of its lines are meant. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

_LINE = re.compile(r"\d+; \d+ \d+ (?P<rest>.*)\Z")

# What acts beyond the tables' own database, or on whoever makes something there.
_ACTING = ("EVENT TRIGGER ", "PUBLICATION ", "SUBSCRIPTION ", "COMMENT - EVENT TRIGGER ", "DATABASE ")


def definitions(lines: Iterable[str]) -> list[str]:
    found = []
    for line in lines:
        match = _LINE.match(line)
        if match is not None and not match["rest"].startswith(_ACTING):
            found.append(line)
    return found


def holds(lines: Iterable[str], kind: str, schema: str, name: str) -> bool:
    """Whether something of this kind is defined; a schema has schema "-"."""
    start = f"{kind} {_flat(schema)} {_flat(name)} "
    return any(match is not None and match["rest"].startswith(start) for match in map(_LINE.match, lines))


def chosen(lines: Sequence[str], kind: str, wanted: Iterable[tuple[str, str, str]]) -> list[tuple[str, int]]:
    """Those of this kind with (schema, name, owner), in the dump's order, and which of the wanted each is."""
    known: dict[str, int] = {}
    for number, (schema, name, owner) in enumerate(wanted):
        told = f"{kind} {_flat(schema)} {_flat(name)} {_flat(owner)}"
        if told in known:
            raise Refused(f"The backup lists two objects as '{told}', which cannot be told apart: restore it whole.")
        known[told] = number
    found = []
    for line in lines:
        match = _LINE.match(line)
        if match is not None and match["rest"].rstrip(" ") in known:
            found.append((line, known[match["rest"].rstrip(" ")]))
    return found


def _flat(name: str) -> str:
    """Line breaks become blanks there."""
    return re.sub(r"[\r\n]", " ", name)
