# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The pools of a pooler that lead to one server, as text of its files: read, and made to lead to another one."""

from __future__ import annotations

import re

from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.render import HEADER, word

_POOL = re.compile(r"(?P<begin>(?P<name>[A-Za-z0-9_.-]+) = host=)(?P<host>'(?:[^']|'')*'|\S+)(?P<rest>(?: .*)?)")


def ours(text: str) -> bool:
    """Whether the file is one that the role writes, as it writes it."""
    return text.startswith(HEADER)


def repointed(text: str, old: str, new: str) -> tuple[str, tuple[str, ...]]:
    """The file with each pool that leads to `old` leading to `new`, and the names of these pools."""
    names: list[str] = []
    inside = False

    def led(line: str) -> str:
        nonlocal inside
        if line.startswith("["):
            inside = line.strip() == "[databases]"
        match = _POOL.fullmatch(line) if inside else None
        if match is None or match["host"] != word(old):
            return line
        names.append(match["name"])
        return f"{match['begin']}{word(new)}{match['rest']}"

    # Other signs that end a line elsewhere may stand in a name.
    return "\n".join([led(line) for line in text.split("\n")]), tuple(names)
