# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whom the kernel killed for want of memory, by its own log."""

from __future__ import annotations

import re

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run

_KILLED = re.compile(r"(?P<words>[Oo]ut of memory: Kill(?:ed)? process (?P<pid>\d+) \((?P<program>[^)]*)\).*)")
_SECONDS = 20.0


def killed() -> dict[int, str] | None:
    """What the kernel said, by the number of the process; None where its log is not to be had, as in a container."""
    try:
        printed = run(["journalctl", "--dmesg", "--quiet", "--no-pager", "--output=cat", "--lines=5000"], _SECONDS)
    except ProgramFailed:
        return None
    return parsed(printed) if printed.strip() else None


def parsed(printed: str) -> dict[int, str]:
    found = (_KILLED.search(line) for line in printed.splitlines())
    return {int(match["pid"]): _short(match["words"]) for match in found if match and "postgres" in match["program"]}


def _short(words: str) -> str:
    """Without page tables and user ids."""
    return ", ".join(words.rstrip(".").split(", ")[:3])
