# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The language of postgresql.conf: settings as a mapping, as lines, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

HEADER = (
    "# Written as a whole by runbook.postgres.pg_settings. What is changed here by hand is undone by its next run:\n"
    "# change the variables of the inventory instead.\n"
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*")
_LINE = re.compile(
    rf"^\s*(?P<name>{_NAME.pattern})(?:\s*=\s*|\s+)(?P<value>'(?:[^'\\\n]|\\.|'')*'|[^\s#']+)\s*(?:#.*)?$"
)
_ESCAPED = {"\\": "\\\\", "'": "''", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_MEANT = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_QUOTED = re.compile(r"''|\\([0-7]{1,3})|\\(.)", re.DOTALL)

# They say where the instance is, and are pg_instance's to say.
_FIXED = ("config_file", "data_directory", "external_pid_file", "hba_file", "ident_file")
_INCLUDES = ("include", "include_dir", "include_if_exists")

_PASSWORD = re.compile(r"(password\s*=\s*)(?:\\?'+[^']*'*|[^\s'#]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """One setting in a file, its name in lower case as the server compares it."""

    name: str
    value: str
    line: int


def read_settings(given: Mapping[str, Any]) -> dict[str, str]:
    """The option as names and texts; null leaves a setting out."""
    found: dict[str, str] = {}
    for raw, value in given.items():
        name = str(raw).lower()
        if not _NAME.fullmatch(name) or name in _INCLUDES:
            raise Refused(f"settings names '{raw}', which is not the name of a setting: correct it.")
        if name in _FIXED:
            raise Refused(f"settings names {name}, which says where the instance is: that is for pg_instance to say.")
        if name in found:
            raise Refused(f"settings names {name} twice, in different spelling: keep one.")
        if value is not None:
            found[name] = _text(name, value)
    return found


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(name, each) for each in value)
    if isinstance(value, (dict, bytes)):
        raise Refused(f"Setting {name} is a {type(value).__name__}: give a text, a number, a boolean or a list.")
    text = str(value)
    if "\0" in text:
        raise Refused(f"Setting {name} holds a zero byte, which PostgreSQL cannot read: leave it out.")
    if name == "primary_conninfo" and _PASSWORD.search(text):
        raise Refused(
            "primary_conninfo holds a password, which a file of settings would show: use a certificate or a passfile."
        )
    return text


def rendered(settings: Mapping[str, str]) -> str:
    return HEADER + "".join(f"{name} = {quoted(settings[name])}\n" for name in sorted(settings))


def quoted(value: str) -> str:
    return "'" + "".join(_ESCAPED.get(letter, letter) for letter in value) + "'"


def parsed(text: str) -> list[Entry]:
    """The settings of a file in order; lines that the server would not understand are left out."""
    lines = ((number, _LINE.match(line)) for number, line in enumerate(text.split("\n"), 1))
    return [Entry(match["name"].lower(), _unquoted(match["value"]), number) for number, match in lines if match]


def _unquoted(value: str) -> str:
    if not value.startswith("'"):
        return value

    def meant(match: re.Match[str]) -> str:
        octal, letter = match.groups()
        if octal:
            return chr(int(octal, 8) & 0xFF)
        return "'" if letter is None else _MEANT.get(letter, letter)

    return _QUOTED.sub(meant, value[1:-1])


def last_values(text: str) -> dict[str, str]:
    """What counts of a file: of several lines for one setting the last."""
    return {entry.name: entry.value for entry in parsed(text)}


def without(text: str, names: set[str]) -> str:
    """The same file without the lines of these settings."""
    gone = {entry.line for entry in parsed(text) if entry.name in names}
    return "\n".join(line for number, line in enumerate(text.split("\n"), 1) if number not in gone)


def without_passwords(text: str) -> str:
    """For whoever reads a diff."""
    return _PASSWORD.sub(r"\1********", text)
