# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The text of a configuration file, from values; what the file cannot hold is refused.

PgBouncer reads a line to its end as one value, and of a line in [databases]
the words after the name as libpq would. It has no way to quote the name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

HEADER = "; Written whole by runbook.postgres; changes made here by hand are lost at its next run."

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_PLAIN = re.compile(r"[A-Za-z0-9_./:-]+")
_KEY = re.compile(r"[a-z][a-z0-9_]*")

Lines = Mapping[str, Mapping[str, str]]


def fit_name(name: str) -> bool:
    """Whether a name can stand at the beginning of a line."""
    return _NAME.fullmatch(name) is not None


def word(value: str) -> str:
    """A value within a line of [databases]."""
    if not value or any(sign in value for sign in "\0\r\n"):
        raise Refused(
            f"'{value!a}' is empty or holds a line break, which PgBouncer's configuration cannot: give another."
        )
    return value if _PLAIN.fullmatch(value) else "'" + value.replace("'", "''") + "'"


def setting(name: str, value: Any) -> str:
    """A value in [pgbouncer], which reaches to the end of its line."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (list, tuple)):
        return ", ".join(setting(name, entry) for entry in value)
    text = str(value)
    if any(sign in text for sign in "\0\r\n") or text != text.strip():
        raise Refused(
            f"Setting {name} holds a line break or begins or ends with a blank, "
            "which PgBouncer's configuration cannot: give it without."
        )
    return text


def render(
    databases: Lines, users: Lines, peers: Lines, settings: Mapping[str, Any], remarks: Sequence[str] = ()
) -> str:
    lines = [HEADER, *(f"; {remark}" for remark in remarks)]
    for title, section in (("databases", databases), ("users", users), ("peers", peers)):
        if section or title == "databases":
            lines += ["", f"[{title}]", *(_line(name, words) for name, words in section.items())]
    lines += ["", "[pgbouncer]"]
    for name, value in settings.items():
        if not _KEY.fullmatch(name):
            raise Refused(f"'{name!a}' is no name of a setting of PgBouncer: look it up in its manual.")
        lines.append(f"{name} = {setting(name, value)}".rstrip())
    return "".join(f"{line}\n" for line in lines)


def _line(name: str, words: Mapping[str, str]) -> str:
    return f"{name} = " + " ".join(f"{key}={word(value)}" for key, value in words.items())
