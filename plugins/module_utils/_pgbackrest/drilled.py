# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What recovery drills have found of physical backups, as it was written down on this host."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

DIRECTORY = Path("/var/lib/runbook-postgres")


@dataclass(frozen=True)
class Drilled:
    """One backup after a drill."""

    repository: int
    backup: str
    at: datetime
    # What is wrong with it; None where it was restored and found whole.
    why: str | None = None

    @property
    def sentence(self) -> str:
        return f"A drill of {self.at:%Y-%m-%d %H:%M:%S} UTC found it to be damaged: {(self.why or '').rstrip('.')}."


def drilled(stanza: str, directory: Path = DIRECTORY) -> dict[tuple[int, str], Drilled]:
    """By repository and name, what the last drill of each backup says."""
    found = [each for path in sorted(directory.glob("drill-*.json")) for each in _read(path, stanza)]
    return {(each.repository, each.backup): each for each in sorted(found, key=lambda each: each.at)}


def _read(path: Path, stanza: str) -> Iterator[Drilled]:
    # Whoever looks after drills is told elsewhere of one that cannot be read.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        told = json.loads(path.read_text())
        for each in (*told.get("restored", ()), *told.get("failed", ())):
            if each["stanza"] == stanza:
                at = datetime.fromisoformat(each["at"])
                yield Drilled(int(each["repository"]), str(each["backup"]), at, each.get("why"))
