# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The proof that nothing is lost: the candidate's own WAL ends with the checkpoint of the primary's clean stop.

Nothing is ever written after a shutdown checkpoint by the server that stopped with it. Whether what this host has
ends exactly there is read from the WAL, and the restore point before it tells that the stop was that of this
switchover, after which the old primary cannot start as one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._debian import bin_directory, run_as_postgres
from ansible_collections.runbook.postgres.plugins.module_utils._history import position
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.request import Place

_SECONDS = 30.0
_PAGE = 8192
_PAGE_HEADER, _SEGMENT_HEADER = 24, 40
_ALIGNED = 8
_RECORD = re.compile(
    r"^rmgr: XLOG\s+len \(rec/tot\):\s*\d+/\s*(?P<length>\d+), tx:\s*\d+, lsn: (?P<lsn>[0-9A-F]+/[0-9A-F]+), "
    r"prev [0-9A-F]+/[0-9A-F]+, desc: (?P<told>.*)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Received:
    """How far the candidate's WAL goes, and from where on it is to be read."""

    timeline: int
    begin: str
    end: str
    segment_bytes: int = 16 * 1024 * 1024


def end_of(lsn: int, length: int, segment_bytes: int) -> int:
    """Where the next record would begin: pages that a record crosses have headers, and records are aligned."""
    at, left = lsn, length
    while left > 0:
        taken = min(_PAGE - at % _PAGE, left)
        at, left = at + taken, left - taken
        if left:
            at += _PAGE_HEADER if at % segment_bytes else _SEGMENT_HEADER
    return -(-at // _ALIGNED) * _ALIGNED


def missing(printed: str, restore_point: str, received: Received) -> str | None:
    """What is missing for the proof, of what pg_waldump printed of the records about the WAL itself."""
    records = list(_RECORD.finditer(printed))
    points = [each for each in records if each["told"] == f"RESTORE_POINT {restore_point}"]
    if not points:
        return "the primary's last word is not in the WAL that was received"
    last = records[-1]
    if not last["told"].startswith("CHECKPOINT_SHUTDOWN"):
        return f"the WAL that was received does not end with a clean stop of the primary but goes on to {received.end}"
    end = end_of(position(last["lsn"]), int(last["length"]), received.segment_bytes)
    if end != position(received.end):
        return f"the WAL that was received goes on to {received.end}, past the primary's stop at {last['lsn']}"
    return None


def read(place: Place, received: Received) -> str:
    """With an end given it reads to there and no further, and ends well."""
    argv = [str(bin_directory(place.version) / "pg_waldump"), f"--path={place.data / 'pg_wal'}", "--rmgr=XLOG"]
    argv += [f"--timeline={received.timeline}", f"--start={received.begin}", f"--end={received.end}"]
    return run_as_postgres(argv, _SECONDS)
