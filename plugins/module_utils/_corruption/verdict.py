# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From what was found to a verdict and the next step: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SOUND, SUSPECT, CORRUPT, UNKNOWN = "sound", "suspect", "corrupt", "unknown"
CONTROL, PAGE, TABLE, INDEX, ORPHAN, COUNTED = (
    "control data",
    "page",
    "table",
    "index",
    "foreign key",
    "counted failures",
)
_NAMED = 5


@dataclass(frozen=True)
class Fault:
    """One thing that is damaged."""

    kind: str
    object: str
    message: str
    database: str | None = None


@dataclass
class Examined:
    """What was looked at, what was found, and what could not be looked at."""

    looked: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def count(self, kind: str, number: int) -> None:
        self.looked[kind] = self.looked.get(kind, 0) + number

    @property
    def verdict(self) -> str:
        kinds = {fault.kind for fault in self.faults}
        if kinds - {COUNTED}:
            return CORRUPT
        if kinds:
            return SUSPECT
        # The control data alone says nothing of what is stored.
        return UNKNOWN if self.skipped and set(self.looked) <= {CONTROL} else SOUND

    @property
    def _next_step(self) -> str:
        if self.verdict == UNKNOWN:
            why = "; ".join(self.skipped)
            return f"Whether the data is damaged is not known, nothing but its control data was looked at ({why})."
        return next_step(self.faults, self.skipped)

    @property
    def result(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "faults": [asdict(fault) for fault in self.faults],
            "looked_at": dict(self.looked),
            "skipped": list(self.skipped),
            "next_step": self._next_step,
        }


def some(names: Sequence[str]) -> str:
    """Enough of them to know what is meant."""
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + rest


def next_step(faults: Sequence[Fault], skipped: Sequence[str]) -> str:
    """What to do about the gravest of it."""
    kinds = {fault.kind for fault in faults}
    if CONTROL in kinds:
        return (
            "Keep a copy of the data directory, start nothing on it, and recover the cluster with "
            "runbook.postgres.pitr to the end of the archive."
        )
    if kinds & {PAGE, TABLE}:
        return (
            "Stop the writers and keep a copy of the data directory; look at the disk and the memory of the host; then "
            "recover with runbook.postgres.pitr, or fail over to a standby on which this check finds nothing."
        )
    if INDEX in kinds:
        names = ", ".join(fault.object for fault in faults if fault.kind == INDEX)
        return (
            f"Only indexes are damaged: rebuild them with REINDEX INDEX CONCURRENTLY ({names}), find out why (another "
            "collation of the operating system is the usual cause), and run this again."
        )
    if ORPHAN in kinds:
        return (
            "Rows have lost what they refer to: look when triggers or constraints were switched off, bring the missing "
            "rows back from a recovery beside this one, and run this again."
        )
    if COUNTED in kinds:
        return (
            "The server has met pages whose checksum was wrong, and what was looked at now is in order: run this with "
            "the server stopped, so that every page is read, or on a restored copy."
        )
    if skipped:
        return "Nothing was found, and not everything was looked at: see skipped."
    return "Nothing was found; nothing has to be done."
