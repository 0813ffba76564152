# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One backup as the catalogue tells it, whichever way it was taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

LOGICAL, PHYSICAL = "logical", "physical"

# How a backup can be verified, each level beyond the one before it.
LEVELS = ("none", "checksum", "list", "restore")

_TIME = "%Y-%m-%dT%H:%M:%SZ"


def moment(text: str) -> datetime:
    """A time as manifests write it; ValueError for anything else."""
    return datetime.strptime(text, _TIME).replace(tzinfo=timezone.utc)


def written(when: datetime) -> str:
    return when.astimezone(timezone.utc).strftime(_TIME)


@dataclass(frozen=True)
class Verified:
    """The strongest proof that held, and when it was made."""

    level: str
    at: datetime


@dataclass(frozen=True)
class Copy:
    """Where else a backup is, and how and when it was compared there."""

    place: str
    checked: str
    at: datetime


@dataclass(frozen=True)
class Series:
    """Backups that replace one another: of the same thing in the same way. Retention and age are questions to one."""

    method: str
    kind: str
    system_identifier: str | None
    database: str | None = None
    tables: tuple[str, ...] = ()
    label: str = ""


@dataclass(frozen=True)
class Entry:
    id: str
    series: Series
    # Counts up within a database. Newer is what has the higher number, since clocks are set back.
    number: int
    started: datetime
    stopped: datetime
    # What was backed up, and what that takes where it is kept.
    bytes: int
    stored_bytes: int
    # Where it is: a directory, or a repository as pgBackRest names it.
    place: str
    # In the WAL: one position of a logical backup, the first and the last that a physical one needs.
    lsn_start: str | None
    lsn_stop: str | None
    timeline: int | None
    # What it can bring back: one moment of a logical one, for a physical one the last is as far as its archive reaches.
    restorable_from: datetime
    restorable_to: datetime
    server_version: str = ""
    depends_on: tuple[str, ...] = ()
    copies: tuple[Copy, ...] = ()
    encrypted: bool = False
    verified: Verified | None = None
    # A restore reads it at this moment.
    held: bool = False
    # Sentences. A backup with one is not relied on: it counts for no age and keeps no other one from going.
    problems: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return not self.problems

    def at_least(self, level: str) -> bool:
        """Whether it was verified at this level or beyond it."""
        reached = "none" if self.verified is None else self.verified.level
        return LEVELS.index(reached) >= LEVELS.index(level)

    def told(self) -> dict[str, Any]:
        """For results: the same keys for either method."""
        return {
            "id": self.id,
            "method": self.series.method,
            "kind": self.series.kind,
            "database": self.series.database,
            "tables": list(self.series.tables),
            "label": self.series.label,
            "system_identifier": self.series.system_identifier,
            "number": self.number,
            "started": written(self.started),
            "stopped": written(self.stopped),
            "bytes": self.bytes,
            "stored_bytes": self.stored_bytes,
            "place": self.place,
            "lsn_start": self.lsn_start,
            "lsn_stop": self.lsn_stop,
            "timeline": self.timeline,
            "restorable_from": written(self.restorable_from),
            "restorable_to": written(self.restorable_to),
            "server_version": self.server_version,
            "depends_on": list(self.depends_on),
            "copies": [{"place": each.place, "checked": each.checked, "at": written(each.at)} for each in self.copies],
            "encrypted": self.encrypted,
            "verified": None
            if self.verified is None
            else {"level": self.verified.level, "at": written(self.verified.at)},
            "problems": list(self.problems),
        }
