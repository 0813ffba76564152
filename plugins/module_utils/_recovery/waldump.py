# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""WAL read by pg_waldump: which transactions ended in it, and when."""

from __future__ import annotations

import contextlib
import re
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, ProgramFailed, account
from ansible_collections.runbook.postgres.plugins.module_utils._debian import SUPERUSER, bin_directory

_SECONDS = 300.0
# Among so many records the first end of a transaction is.
_ENOUGH = 2000
_ENDED = re.compile(
    r"tx:\s+(\d+),\s+lsn:\s+([0-9A-F]+/[0-9A-F]+),.*?desc: (COMMIT|ABORT)(?:_PREPARED)?\s+(?:\d+: ?)?"
    r"(\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC"
)


@dataclass(frozen=True)
class Ending:
    """The end of one transaction."""

    xid: int
    lsn: str
    moment: datetime
    committed: bool


def read(printed: str) -> list[Ending]:
    return [Ending(int(xid), lsn, _moment(at), how == "COMMIT") for xid, lsn, how, at in _ENDED.findall(printed)]


def _moment(told: str) -> datetime:
    form = "%Y-%m-%d %H:%M:%S.%f" if "." in told else "%Y-%m-%d %H:%M:%S"
    return datetime.strptime(told, form).replace(tzinfo=timezone.utc)


def endings(version: int, place: Path, segment: str) -> list[Ending]:
    """Those in one file."""
    return read(_printed(version, [f"--path={place}", segment]))


def endings_from(version: int, wal: Path, timeline: int, lsn: str) -> list[Ending]:
    """Those from a position on, as far as the WAL in this directory goes."""
    return read(_printed(version, [f"--path={wal}", f"--timeline={timeline}", f"--start={lsn}", f"--limit={_ENOUGH}"]))


def _printed(version: int, words: list[str]) -> str:
    """It ends with an error where the WAL does; what it printed before that counts."""
    argv = [str(bin_directory(version) / "pg_waldump"), "--rmgr=Transaction", *words]
    with tempfile.TemporaryFile() as printed:
        become = account(SUPERUSER, "postgresql")
        program = Program(argv, stdout=printed.fileno(), become=become, environment={"TZ": "UTC"})
        try:
            with contextlib.suppress(ProgramFailed):
                program.finish(_SECONDS)
        finally:
            program.end()
        printed.seek(0)
        return printed.read().decode(errors="replace")
