# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The processes of a server, and what listens: read from the kernel, nobody is asked."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import postmaster

_PROC = Path("/proc")
_PAUSE = 0.1
_LISTEN = "0A"
# Its line in postmaster.pid, and where /proc/sysvipc/shm has the segment and who is attached.
_SEGMENT_LINE, _ID, _ATTACHED = 6, 1, 6


def of_server(data: Path) -> frozenset[int]:
    """The postmaster with its children, and whoever else is called postgres and works in that directory.

    When a postmaster was killed its children go on for a while, and one of them may still commit.
    """
    found = {pid for pid in _all() if _works_in(pid, data)}
    server = postmaster(data)
    if server is not None:
        found |= {server.pid, *(pid for pid in _all() if _parent(pid) == server.pid)}
    return frozenset(found)


def attached(data: Path) -> int:
    """How many have the shared memory mapped that its last server made: the server itself goes by that as well."""
    lines = _text(data / "postmaster.pid").splitlines()
    words = lines[_SEGMENT_LINE].split() if len(lines) > _SEGMENT_LINE else []
    if len(words) != 2:
        return 0
    rows = (line.split() for line in _text(_PROC / "sysvipc/shm").splitlines()[1:])
    return sum(int(row[_ATTACHED]) for row in rows if row[_ID] == words[1])


def listening(ports: Iterable[int]) -> frozenset[int]:
    """Those of the ports on which anything listens."""
    wanted = set(ports)
    lines = [line.split() for name in ("tcp", "tcp6") for line in _text(_PROC / "net" / name).splitlines()[1:]]
    return (
        frozenset(port for port in (int(row[1].rpartition(":")[2], 16) for row in lines if row[3] == _LISTEN)) & wanted
    )


def end(pids: Iterable[int], number: signal.Signals, seconds: float) -> bool:
    """Send each the signal, and wait until none is left."""
    left = set(pids)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    deadline = Deadline(seconds)
    while True:
        left = {pid for pid in left if _lives(pid)}
        if not left or deadline.passed():
            return not left
        time.sleep(_PAUSE)


def _all() -> Iterator[int]:
    return (int(path.name) for path in _PROC.iterdir() if path.name.isdigit())


def _works_in(pid: int, data: Path) -> bool:
    with contextlib.suppress(OSError):
        if (_PROC / str(pid) / "comm").read_text().strip().startswith("postgres"):
            # Not resolve(): where we may not look, as in a container, Python 3.9 would hide that.
            return (_PROC / str(pid) / "cwd").readlink() == data.resolve()
    return False


def _parent(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def _lives(pid: int) -> bool:
    """One that nobody has waited for yet does nothing any more."""
    fields = _stat(pid)
    return bool(fields) and fields[0] not in ("Z", "X")


def _stat(pid: int) -> list[str]:
    """What follows the program's name, in which there may be anything."""
    return _text(_PROC / str(pid) / "stat").rpartition(")")[2].split()


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
