# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How far a repository's WAL reaches: a segment that is missing ends what can be restored.

pgBackRest tells the first and the last segment only, and whoever has it throw WAL away when too much waits
(archive-push-queue-max) learns of the gap when he restores.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._history import ancestors, position

# A whole segment; what a promotion left half, histories and backups' own files have other names.
_SEGMENT = re.compile(r"(?:.*/)?([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})-[0-9a-f]{40}(?:\.\w+)?")
# Of 16 MB, as nearly every cluster has them.
_PER_FILE = 256
_HISTORY = re.compile(r"([0-9A-F]{8})\.history")
_FILE_BYTES = 1 << 32


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
    # All that there are, by timeline.
    lines: Mapping[int, Mapping[int, Segment]] = field(default_factory=dict)
    # The latest timeline and those that it came from, oldest first, each with the number of the segment in which it
    # was left; None where nobody knows.
    course: tuple[tuple[int, int | None], ...] | None = None

    def name(self, number: int, timeline: int) -> str:
        return f"{timeline:08X}{number // self.per_file:08X}{number % self.per_file:08X}"

    def number(self, name: str) -> int:
        return int(name[8:16], 16) * self.per_file + int(name[16:24], 16)

    def goes_on(self, missing: str) -> int | None:
        """The first segment that is there after that one."""
        there = self._followed(missing)
        return min((each for each in there if each > self.number(missing)), default=None)

    def reach(self, first: str) -> tuple[Segment | None, str | None]:
        """From a segment on: the last one without a gap before it, and the first that is missing before others."""
        there = self._followed(first)
        number = self.number(first)
        last = None
        while number in there:
            last = there[number]
            number += 1
        later = max(there, default=-1) > number
        return last, self.name(number, self._timeline(first, number, last)) if later else None

    def _followed(self, first: str) -> Mapping[int, Segment]:
        """What is replayed from that segment on: to the latest timeline where that leads there, else on its own."""
        timeline, number = int(first[:8], 16), self.number(first)
        if self.course is None:
            return self.segments
        if not any(each == timeline and (left is None or number <= left) for each, left in self.course):
            return self.lines.get(timeline, {})
        there: dict[int, Segment] = {}
        began = 0
        for each, left in self.course:
            # The segment in which a timeline was left is on the next one as well, which goes first.
            line = self.lines.get(each, {}).items()
            there.update((at, one) for at, one in line if began <= at and (left is None or at <= left))
            began = began if left is None else left
        return there

    def _timeline(self, first: str, number: int, last: Segment | None) -> int:
        """Of what segment of that number is missing."""
        found = last.timeline if last else int(first[:8], 16)
        passed = [each for each, left in self.course or () if left is None or number < left]
        return passed[0] if passed and any(each == found for each, _left in self.course or ()) else found


def latest_history(listed: Iterable[str]) -> str | None:
    """The file that tells of the latest timeline."""
    return max((name for name in listed if _HISTORY.fullmatch(name)), default=None)


def read(listed: Mapping[str, Any], history: tuple[str, str] | None = None) -> Archive:
    """Of what `repo-ls --recurse --output=json` printed, and the latest history with its name."""
    found = [(match.groups(), about) for name, about in listed.items() if (match := _SEGMENT.fullmatch(name))]
    files = {int(parts[1], 16) for parts, about in found}
    per_file = _per_file(files, max((int(parts[2], 16) for parts, about in found), default=0))
    segments: dict[int, Segment] = {}
    lines: dict[int, dict[int, Segment]] = {}
    for (timeline, file, place), about in sorted(found, key=lambda each: each[0]):
        number = int(file, 16) * per_file + int(place, 16)
        arrived = datetime.fromtimestamp(about.get("time", 0), timezone.utc)
        segments[number] = Segment(int(timeline, 16), number, arrived)
        lines.setdefault(int(timeline, 16), {})[number] = segments[number]
    if history is None:
        return Archive(segments, per_file, lines)
    left = [(number, position(lsn) // (_FILE_BYTES // per_file)) for number, lsn in ancestors(history[1])]
    return Archive(segments, per_file, lines, (*left, (int(history[0][:8], 16), None)))


def _per_file(files: set[int], highest: int) -> int:
    """Where WAL went from one file to the next the highest place tells the size of segments, else it is the usual."""
    if len(files) < 2 and highest < _PER_FILE:
        return _PER_FILE
    return 1 << highest.bit_length()
