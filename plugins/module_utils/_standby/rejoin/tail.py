# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The WAL that only this host has: what lies past the point where the ways parted, and how much it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._controldata import Control
from ansible_collections.runbook.postgres.plugins.module_utils._debian import bin_directory
from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch, later, position
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.program import said

_SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.partial)?")
_COMMITS = re.compile(r"^Transaction/COMMIT\S*\s+(\d+)", re.MULTILINE)
_TOTAL = re.compile(r"^Total\s+(\d+)", re.MULTILINE)
# The last record that is whole; what follows is what ends it.
_LAST = re.compile(r"in WAL record at ([0-9A-F]+/[0-9A-F]+)")


@dataclass(frozen=True)
class Tail:
    """Records past the fork, the transactions among them that committed, and the files in which they are."""

    records: int = 0
    commits: int = 0
    # Where the last record begins, where that was told.
    last: str | None = None
    files: tuple[str, ...] = ()
    bytes: int = 0


def observe(version: int, data: Path, control: Control, branch: Branch, fork: tuple[int, str], seconds: float) -> Tail:
    records = commits = 0
    last: str | None = None
    for timeline, begin, end in branch.pieces(fork):
        argv = [str(bin_directory(version) / "pg_waldump"), f"--path={data / 'pg_wal'}", "--stats=record"]
        argv += [f"--timeline={timeline}", f"--start={begin}", *([f"--end={end}"] if end else [])]
        counted = summary(said(argv, seconds, fails=True))
        records, commits = records + counted.records, commits + counted.commits
        last = counted.last or last
    # Without records nothing is known to be of this host alone but what the control file tells of.
    end_of_files = later(last, control.position.lsn)
    files = tuple(sorted(segments(data, branch, fork, end_of_files, control.segment_bytes)))
    return Tail(records, commits, last, files, sum((data / "pg_wal" / name).stat().st_size for name in files))


def summary(words: str) -> Tail:
    """What pg_waldump printed, which ends with an error where the WAL ends."""
    total, last = _TOTAL.search(words), _LAST.search(words)
    found = int(total[1]) if total else 0
    return Tail(found, sum(map(int, _COMMITS.findall(words))), last[1] if last and found else None)


def segments(data: Path, branch: Branch, fork: tuple[int, str], end: str, size: int) -> Iterator[str]:
    """Files with WAL from the fork to that end; those beyond are only prepared for what was to come."""
    timelines = {number for number, _begin, _end in branch.pieces(fork)}
    for entry in (data / "pg_wal").iterdir():
        match = _SEGMENT.fullmatch(entry.name)
        if match and int(match[1], 16) in timelines:
            begins = (int(match[2], 16) << 32) + int(match[3], 16) * size
            if position(fork[1]) < begins + size and begins <= position(end):
                yield entry.name
        elif entry.name.endswith(".history"):
            yield entry.name
