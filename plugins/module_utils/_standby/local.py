# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is on this host where a standby is wanted; nothing of it needs a server, a driver or a user postgres."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._clone_mark import MARK
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._controldata import Control, parsed, printed
from ansible_collections.runbook.postgres.plugins.module_utils._debian import (
    Socket,
    bin_directory,
    config_directory,
    log_file,
)
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._history import ancestors
from ansible_collections.runbook.postgres.plugins.module_utils._mounts import unmounted
from ansible_collections.runbook.postgres.plugins.module_utils._receiver import STREAMS
from ansible_collections.runbook.postgres.plugins.module_utils._registration import REGISTERING
from ansible_collections.runbook.postgres.plugins.module_utils._standby.place import Place, existing

_RUNNING = f"""
SELECT json_build_object(
  'in_recovery', pg_is_in_recovery(),
  'streaming', {STREAMS})
"""
_DATA_DIRECTORY = re.compile(r"^\s*data_directory\s*=?\s*'((?:[^']|'')*)'", re.MULTILINE)


@dataclass(frozen=True)
class Data:
    """A data directory with something in it."""

    version: str | None
    control: Control | None
    standby: bool
    # The timelines that its own came from, each with where it was left.
    ancestors: tuple[tuple[int, str], ...] = ()
    # Where its WAL lies when that is elsewhere.
    wal: str | None = None
    # A few names, for a sentence about what is no data.
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Server:
    """A server that runs on the data; None is what it did not say."""

    in_recovery: bool | None = None
    streaming: bool = False


@dataclass(frozen=True)
class Registered:
    """An instance as Debian's tools know it."""

    data_directory: str | None
    finished: bool


@dataclass(frozen=True)
class Host:
    """Everything the plan wants to know of this side."""

    installed: bool
    data: Data | None = None
    server: Server | None = None
    registered: Registered | None = None
    leftovers: tuple[str, ...] = ()
    # Directories in our way that are not ours.
    strangers: tuple[str, ...] = ()
    mounted: bool = False
    # A sentence about a disk that is missing where the clone is to go.
    unmounted: str | None = None
    free_bytes: int = 0
    # Where the WAL is to be elsewhere than the data.
    wal_free_bytes: int | None = None


def observe(version: int, instance: str, port: int, place: Place) -> Host:
    installed = (bin_directory(version) / "pg_basebackup").exists()
    data = _data(version, place.data) if installed or _filled(place.data) else None
    return Host(
        installed,
        data,
        server_of(port, place.data) if data else None,
        _registered(version, instance),
        *_beside(place, data),
        mounted=place.data.is_mount(),
        unmounted=None if data else unmounted(place.data, place.wal),
        free_bytes=_free(place.data),
        wal_free_bytes=None if place.wal is None else _free(place.wal),
    )


def _filled(directory: Path) -> bool:
    """A file in the way counts as well."""
    if not os.path.lexists(directory):
        return False
    return not directory.is_dir() or any(directory.iterdir())


def _data(version: int, directory: Path) -> Data | None:
    if not _filled(directory):
        return None
    if not directory.is_dir():
        return Data(None, None, standby=False, names=(f"{directory.name}, which is no directory",))
    found = _text(directory / "PG_VERSION")
    known = _control(version, directory) if found == str(version) else None
    history = None if known is None else _text(directory / "pg_wal" / f"{known.position.timeline:08X}.history")
    return Data(
        found,
        known,
        (directory / "standby.signal").exists(),
        ancestors(history or ""),
        _link(directory / "pg_wal"),
        tuple(sorted(each.name for each in directory.iterdir())[:5]),
    )


def _control(version: int, directory: Path) -> Control | None:
    """Of data that is whole; None of anything else."""
    try:
        return parsed(printed(version, directory))
    except ProgramFailed:
        return None


def server_of(port: int, directory: Path) -> Server | None:
    """By the file that a server keeps while it runs; whether that is true, the process says."""
    lines = (_text(directory / "postmaster.pid") or "").splitlines()
    if not lines or not lines[0].strip().lstrip("-").isdigit():
        return None
    pid = abs(int(lines[0]))
    with contextlib.suppress(OSError):
        # A process of that number that works elsewhere is another one.
        # Where we may not look, as in a container, the link cannot be read, and resolve() of Python 3.9 hides that.
        if Path(f"/proc/{pid}/cwd").readlink() != directory.resolve():
            return None
    if not Path(f"/proc/{pid}").exists():
        return None
    own_port = int(lines[3]) if len(lines) > 3 and lines[3].strip().isdigit() else port
    try:
        said: Mapping[str, bool] = Socket(own_port, seconds=10).json(_RUNNING)
    except Problem:
        # It starts, stops or hangs: what it is, nobody says.
        return Server()
    return Server(said["in_recovery"], said["streaming"])


def _registered(version: int, instance: str) -> Registered | None:
    directory = config_directory(version, instance)
    settings = _text(directory / "postgresql.conf")
    finished = not (directory / REGISTERING).exists()
    if settings is None:
        return None if finished else Registered(None, finished=False)
    named = _DATA_DIRECTORY.findall(settings)
    return Registered(named[-1].replace("''", "'") if named else None, finished)


def _beside(place: Place, data: Data | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a killed run left beside the data, and what is there of others."""
    leftovers, strangers = [], []
    if place.mark.exists() or (place.growing.is_dir() and not _filled(place.growing)):
        leftovers.append(str(place.growing))
    elif os.path.lexists(place.growing):
        strangers.append(str(place.growing))
    if os.path.lexists(place.registration):
        known = leftovers if (place.registration / MARK).exists() else strangers
        known.append(str(place.registration))
    if place.wal is not None and place.wal_mark is not None:
        if place.wal_mark.exists():
            leftovers.append(str(place.wal_mark))
        elif _filled(place.wal) and (data is None or data.wal != str(place.wal)):
            strangers.append(str(place.wal))
    return tuple(leftovers), tuple(strangers)


def _free(path: Path) -> int:
    found = os.statvfs(existing(path))
    return found.f_bavail * found.f_frsize


def _link(path: Path) -> str | None:
    return os.readlink(path) if path.is_symlink() else None  # noqa: PTH115 - text, as it stands


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def log_size(version: int, instance: str) -> int:
    try:
        return log_file(version, instance).stat().st_size
    except OSError:
        return 0
