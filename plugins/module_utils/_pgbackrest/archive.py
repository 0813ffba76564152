# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How far a repository's WAL reaches: a segment that is missing ends what can be restored.

pgBackRest tells the first and the last segment only, and whoever has it throw WAL away when too much waits
(archive-push-queue-max) learns of the gap when he restores.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

# A whole segment; what a promotion left half, histories and backups' own files have other names.
_SEGMENT = re.compile(r"(?:.*/)?([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})-[0-9a-f]{40}(?:\.\w+)?")
# Of 16 MB, as nearly every cluster has them.
_PER_FILE = 256


@dataclass(frozen=True)
class Segment:
    timeline: int
    number: int
    arrived: datetime


@dataclass(frozen=True)
class Archive:
    """The segments of one repository, a number once: on the timeline that is the latest to have it."""

    segments: Mapping[int, Segment]
    # Segments for each 4 GB of WAL.
    per_file: int = _PER_FILE

    def name(self, number: int, timeline: int) -> str:
        return f"{timeline:08X}{number // self.per_file:08X}{number % self.per_file:08X}"

    def number(self, name: str) -> int:
        return int(name[8:16], 16) * self.per_file + int(name[16:24], 16)

    def goes_on(self, missing: str) -> int | None:
        """The first segment that is there after that one."""
        return min((each for each in self.segments if each > self.number(missing)), default=None)

    def reach(self, first: str) -> tuple[Segment | None, str | None]:
        """From a segment on: the last one without a gap before it, and the first that is missing before others."""
        number = self.number(first)
        last = None
        while number in self.segments:
            last = self.segments[number]
            number += 1
        later = max(self.segments, default=-1) > number
        timeline = last.timeline if last else int(first[:8], 16)
        return last, self.name(number, timeline) if later else None


def read(listed: Mapping[str, Any]) -> Archive:
    """Of what `repo-ls --recurse --output=json` printed."""
    found = [(match.groups(), about) for name, about in listed.items() if (match := _SEGMENT.fullmatch(name))]
    files = {int(parts[1], 16) for parts, about in found}
    per_file = _per_file(files, max((int(parts[2], 16) for parts, about in found), default=0))
    segments: dict[int, Segment] = {}
    for (timeline, file, place), about in sorted(found, key=lambda each: each[0]):
        number = int(file, 16) * per_file + int(place, 16)
        arrived = datetime.fromtimestamp(about.get("time", 0), timezone.utc)
        segments[number] = Segment(int(timeline, 16), number, arrived)
    return Archive(segments, per_file)


def _per_file(files: set[int], highest: int) -> int:
    """Where WAL went from one file to the next the highest place tells the size of segments, else it is the usual."""
    if len(files) < 2 and highest < _PER_FILE:
        return _PER_FILE
    return 1 << highest.bit_length()
