# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Directories and file systems of an instance, as they are; nothing in them is touched."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._controldata import parsed, printed
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.found import Lock, Place, Volume
from ansible_collections.runbook.postgres.plugins.module_utils._mounts import unmounted
from ansible_collections.runbook.postgres.plugins.module_utils._ports import alive, program

_PROC = Path("/proc")
_SECONDS = 10.0


def place(version: int, data: Path) -> Place:
    links = list(_dangling(data))
    absent = unmounted(data, *(Path(target) for _link, target in links))
    if not data.is_dir():
        return Place(str(data), exists=False, unmounted=absent)
    seen = data.stat()
    text = data / "PG_VERSION"
    problem, state = _control(version, data)
    return Place(
        str(data),
        # With anything in it that a server would need it is what is meant to be there.
        unmounted=None if text.exists() and not links else absent,
        version=text.read_text(errors="replace").strip() if text.exists() else None,
        owner=_name(seen.st_uid),
        mode=stat.S_IMODE(seen.st_mode),
        shut=_shut(data),
        dangling=tuple(f"{link} -> {target}" for link, target in links),
        standby=(data / "standby.signal").exists(),
        recovering=(data / "recovery.signal").exists(),
        control_problem=problem,
        control_state=state,
    )


def _control(version: int, data: Path) -> tuple[str | None, str | None]:
    if not (_debian.bin_directory(version) / "pg_controldata").exists():
        return None, None
    try:
        found = parsed(printed(version, data, _SECONDS))
    except ProgramFailed as error:
        return error.words or str(error), None
    return (None, found.state) if found else ("what pg_controldata prints cannot be understood", None)


def _dangling(data: Path) -> Iterator[tuple[str, str]]:
    """The WAL and tablespaces may lie on disks of their own."""
    tablespaces = data / "pg_tblspc"
    links = [data / "pg_wal", *(sorted(tablespaces.iterdir()) if tablespaces.is_dir() else ())]
    for link in links:
        if link.is_symlink() and not link.is_dir():
            yield str(link), str(link.readlink())


def _shut(data: Path) -> str | None:
    """The first directory above that the server's user may not pass; what groups allow is not looked into."""
    uid = pwd.getpwnam(_debian.SUPERUSER).pw_uid
    for directory in reversed(data.parents):
        seen = directory.stat()
        allowed = stat.S_IXUSR if seen.st_uid == uid else stat.S_IXOTH | stat.S_IXGRP
        if not seen.st_mode & allowed:
            return str(directory)
    return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def volumes(data: Path, log: Path) -> tuple[Volume, ...]:
    found: dict[int, Volume] = {}
    for purpose, path in (("data", data), ("WAL", data / "pg_wal"), ("log", log.parent)):
        # One file system is told of once, as the first that it is.
        with contextlib.suppress(OSError):
            device = path.stat().st_dev
            if device not in found:
                found[device] = _volume(purpose, path)
    return tuple(found.values())


def _volume(purpose: str, path: Path) -> Volume:
    figures = os.statvfs(path)
    return Volume(
        purpose,
        str(path),
        figures.f_bavail * figures.f_frsize,
        figures.f_blocks * figures.f_frsize,
        # Some file systems have no limit of their number.
        figures.f_favail if figures.f_files else None,
        bool(figures.f_flag & os.ST_RDONLY),
    )


def lock(data: Path) -> Lock | None:
    """postmaster.pid, where no server runs on the data."""
    file = data / "postmaster.pid"
    try:
        first = file.read_text(errors="replace").splitlines()[:1]
    except OSError:
        return None
    if not first or not re.fullmatch(r"[1-9]\d*", first[0].strip()):
        return Lock(str(file), 0)
    pid = int(first[0])
    if not alive(pid):
        return Lock(str(file), pid)
    with contextlib.suppress(OSError):
        own = (_PROC / str(pid)).stat().st_uid == data.stat().st_uid
        return Lock(str(file), pid, program(pid) or "a program without a name", own)
    return Lock(str(file), pid)


def leftovers(data: Path) -> tuple[int, ...]:
    """Processes of a server that still work in this directory although it is gone."""
    numbers = sorted(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return tuple(pid for pid in numbers if program(pid) == "postgres" and alive(pid) and working_in(pid, data))


def working_in(pid: int, data: Path) -> bool:
    """A server and all of its processes work in its data directory."""
    link = _PROC / str(pid) / "cwd"
    try:
        target = str(link.readlink())
    except PermissionError:
        # Root without all of its rights, as in a container, may not look; the server's own user may.
        try:
            target = _debian.run_as_postgres(["readlink", str(link)], _SECONDS).strip()
        except ProgramFailed:
            return False
    except OSError:
        return False
    with contextlib.suppress(OSError):
        return Path(target).samefile(data)
    return False
