# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who restores from a repository, as marks in it say: hosts that know nothing of each other have it in common.

pgBackRest takes no lock for a restore and removes what is restored from. A mark is an empty file whose name says all,
so that it is the same in a store, behind a repository host and where all else is encrypted.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.program import PgBackRest

_MARK = re.compile(r"(?P<host>[A-Za-z0-9_.-]{1,64})\.(?P<machine>[0-9a-f]{12})\.(?P<process>\d+)\.(?P<until>\d{10})")
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]")
_MACHINE = Path("/etc/machine-id")


@dataclass(frozen=True)
class Reader:
    """Host names may be alike, machines are not; `until` when at the latest it is done, in seconds since 1970."""

    host: str
    machine: str
    process: int
    until: int

    @property
    def name(self) -> str:
        return f"{self.host}.{self.machine}.{self.process}.{self.until:010}"

    @property
    def gone(self) -> bool:
        """It was a process of this host and was killed; of others nobody knows."""
        return self.machine == _machine() and not Path("/proc", str(self.process)).exists()

    def __str__(self) -> str:
        until = datetime.fromtimestamp(self.until, timezone.utc)
        return f"{self.host} (until {until:%Y-%m-%dT%H:%MZ} at the latest)"


def this_process(process: int, seconds: float) -> Reader:
    host = _UNFIT.sub("_", socket.gethostname())[:64] or "unknown"
    return Reader(host, _machine(), process, int(time.time() + seconds))


def place(stanza: str) -> str:
    """Beside what pgBackRest keeps in the repository, which it does not look into."""
    return f"runbook.postgres/reading/{stanza}"


def read(names: Iterable[str]) -> list[Reader]:
    found = [_MARK.fullmatch(name) for name in sorted(names)]
    return [Reader(each["host"], each["machine"], int(each["process"]), int(each["until"])) for each in found if each]


def still_reading(marks: Sequence[Reader], now: float) -> list[Reader]:
    return [each for each in marks if each.until > now and not each.gone]


def readers(pgbackrest: PgBackRest, repository: int) -> list[Reader]:
    """On whichever host."""
    listed = pgbackrest.json("repo-ls", f"--repo={repository}", place(pgbackrest.stanza))
    return still_reading(read(listed), time.time())


def _machine() -> str:
    """Not the identity itself, which is nobody else's business."""
    try:
        text = _MACHINE.read_text(errors="replace").strip()
    except OSError:
        text = socket.gethostname()
    return sha256(f"runbook.postgres {text}".encode()).hexdigest()[:12]
