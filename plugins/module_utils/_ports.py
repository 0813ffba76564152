# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who listens on which TCP port, as the kernel tells it."""

from __future__ import annotations

import contextlib
import pwd
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LISTEN = "0A"


@dataclass(frozen=True)
class Listener:
    """A port that is taken; root without all of its rights, as in a container, is not told by which process."""

    port: int
    pid: int | None
    program: str


@dataclass(frozen=True)
class Socket:
    inode: str
    port: int
    uid: int


def listeners(proc: Path = Path("/proc")) -> list[Listener]:
    """Each listening port and program once."""
    sockets: list[Socket] = []
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            sockets += listening((proc / "net" / table).read_text().splitlines())
    owners = dict(_owners(proc, frozenset(each.inode for each in sockets))) if sockets else {}
    found = {_listener(each, owners.get(each.inode), proc) for each in sockets}
    return sorted(found, key=lambda each: (each.port, each.pid or 0))


def listening(lines: Iterable[str]) -> Iterator[Socket]:
    """The listening sockets in a table of the kernel."""
    for line in lines:
        words = line.split()
        if len(words) > 9 and words[3] == LISTEN:
            yield Socket(words[9], int(words[1].rpartition(":")[2], 16), int(words[7]))


def _owners(proc: Path, inodes: frozenset[str]) -> Iterator[tuple[str, int]]:
    """The first process that holds each socket: a server's children share it."""
    seen: set[str] = set()
    for pid in sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            for link in (proc / str(pid) / "fd").iterdir():
                target = str(link.readlink())
                inode = target[8:-1] if target.startswith("socket:[") else ""
                if inode in inodes and inode not in seen:
                    seen.add(inode)
                    yield inode, pid


def _listener(socket: Socket, pid: int | None, proc: Path) -> Listener:
    name = "" if pid is None else program(pid, proc)
    return Listener(socket.port, pid, name or f"a program of user {_user(socket.uid)}")


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def program(pid: int, proc: Path = Path("/proc")) -> str:
    """The name of a process; empty when there is none."""
    try:
        return (proc / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def alive(pid: int, proc: Path = Path("/proc")) -> bool:
    """Whether such a process runs; one that ended and was not waited for does not."""
    try:
        state = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return bool(state) and state[0] not in ("Z", "X")
