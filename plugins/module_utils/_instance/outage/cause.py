# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Something that was found of a server that is down, and what a run was told to do about it."""

from __future__ import annotations

from dataclasses import dataclass

KEPT_STOPPED, CRASH_LOOP = "kept_stopped", "crash_loop"
DESPITE = (KEPT_STOPPED, CRASH_LOOP)


@dataclass(frozen=True)
class Cause:
    """Something that was found, by a name that stays."""

    code: str
    sentence: str
    # Whether it has to be mended first.
    refused: bool = False


@dataclass(frozen=True)
class Wish:
    despite: frozenset[str] = frozenset()
    # The member that takes writes, where that is another one.
    primary: str | None = None
