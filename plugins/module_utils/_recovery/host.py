# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is on this host where a cluster is to be recovered: data, a server, a registration, a run's leftovers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _debian, _promoters
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._controldata import Control, parsed, printed
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, said
from ansible_collections.runbook.postgres.plugins.module_utils._history import ancestors
from ansible_collections.runbook.postgres.plugins.module_utils._instance.configuration import last_values
from ansible_collections.runbook.postgres.plugins.module_utils._instance.settings import AUTO_FILE
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import postmaster
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import SEGMENT_BYTES, Segment
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import (
    Mark,
    Place,
    read_mark,
    read_state,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.unarchived import written
from ansible_collections.runbook.postgres.plugins.module_utils._registration import REGISTERING

_ASK_SECONDS = 15.0
_RUNNING = """
SELECT json_build_object(
  'data_directory', current_setting('data_directory'),
  'in_recovery', pg_is_in_recovery(),
  'standbys', (SELECT coalesce(json_agg(DISTINCT application_name), '[]') FROM pg_stat_replication),
  'slots', (SELECT coalesce(json_agg(slot_name ORDER BY slot_name), '[]') FROM pg_replication_slots),
  'synchronous', current_setting('synchronous_standby_names'),
  'archives', current_setting('archive_mode') <> 'off',
  'written', CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_insert_lsn() END,
  'now', extract(epoch FROM clock_timestamp()))
"""
_SEGMENT = re.compile(r"[0-9A-F]{24}")


@dataclass(frozen=True)
class Data:
    """A data directory with something in it."""

    version: str | None
    control: Control | None
    standby: bool
    # The timelines that its own came from.
    ancestors: tuple[tuple[int, str], ...] = ()
    # Where its WAL lies when that is elsewhere.
    wal: str | None = None
    # Segments of WAL that were written to.
    segments: tuple[str, ...] = ()
    segment_bytes: int = SEGMENT_BYTES
    # When its control file was written last, in seconds since 1970: a server that stands still writes it no more.
    written_at: float | None = None
    # What its own settings, which are over the instance's, say of archive_mode.
    archive_mode: str | None = None

    @property
    def standing(self) -> str | None:
        """Any server that was started on it makes another one of this."""
        return None if self.control is None else f"{self.control.state} at {self.control.position}"


@dataclass(frozen=True)
class Server:
    """The server that runs on it; None is what it did not say."""

    in_recovery: bool | None = None
    standbys: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()
    synchronous: str = ""
    archives: bool = False
    # By its clock, in seconds since 1970.
    now: float | None = None
    # How far its WAL goes; none of a standby.
    written: str | None = None


@dataclass(frozen=True)
class Host:
    """Everything the plan wants to know of this side."""

    installed: bool
    data: Data | None = None
    server: Server | None = None
    # The data directory of an instance as its configuration names it; None where there is no configuration.
    registered: str | None = None
    half_registered: bool = False
    mark: Mark | None = None
    restored: bool = False
    stranger: bool = False
    mounted: bool = False
    free_bytes: int = 0
    state: Mapping[str, Any] | None = None
    # Programs that start the server, and decide who is primary, by themselves.
    promoters: tuple[str, ...] = ()
    # WAL that has to be brought from the data here, since the archive lacks it.
    unarchived_bytes: int = 0


def place_of(version: int, instance: str, data_directory: str | None) -> Place:
    """The configuration knows best where the data is, unless the caller does."""
    _debian.refuse_unfit_name(instance)
    found = data_directory or registered(version, instance) or _debian.data_directory(version, instance)
    return Place(version, instance, Path(found))


def observe(place: Place) -> Host:
    try:
        return _observed(place)
    except OSError as error:
        raise Problem(said(error)) from error


def _observed(place: Place) -> Host:
    installed = (_debian.bin_directory(place.version) / "postgres").exists()
    mark = read_mark(place)
    there = place.growing.is_dir() and any(place.growing.iterdir())
    return Host(
        installed,
        data_in(place) if installed else None,
        _server(place.data),
        registered(place.version, place.instance),
        (_debian.config_directory(place.version, place.instance) / REGISTERING).exists(),
        mark,
        place.restored.is_dir(),
        stranger=mark is None and there,
        mounted=place.data.is_mount(),
        free_bytes=_free(place.data),
        state=read_state(place),
        promoters=tuple(_promoters.running()),
    )


def data_in(place: Place) -> Data | None:
    """What a dying disk does not give out any more is unknown, and no reason not to put something else in its place."""
    directory = place.data
    if not directory.is_dir() or _names(directory) == []:
        return None
    try:
        words = printed(place.version, directory)
    except ProgramFailed:
        words = ""
    control = parsed(words)
    size = re.search(r"Bytes per WAL segment: +(\d+)", words)
    segment_bytes = int(size[1]) if size else SEGMENT_BYTES
    wal = directory / "pg_wal"
    timeline = control.position.timeline if control else 1
    return Data(
        _text(directory / "PG_VERSION"),
        control,
        any((directory / name).exists() for name in ("standby.signal", "recovery.signal")),
        ancestors(_text(wal / f"{timeline:08X}.history") or ""),
        os.readlink(wal) if wal.is_symlink() else None,  # noqa: PTH115 - text, as it stands
        _segments(wal, segment_bytes),
        segment_bytes,
        _written_at(directory / "global/pg_control"),
        last_values(_text(directory / AUTO_FILE) or "").get("archive_mode"),
    )


def _segments(wal: Path, size: int) -> tuple[str, ...]:
    names = [name for name in _names(wal) or () if _SEGMENT.fullmatch(name)]
    return tuple(sorted(name for name in names if written(wal / name, Segment(name, size))))


def _names(directory: Path) -> list[str] | None:
    """None where they cannot be read."""
    try:
        return [each.name for each in directory.iterdir()]
    except OSError:
        return None


def _server(directory: Path) -> Server | None:
    found = postmaster(directory)
    if found is None:
        return None
    try:
        said = found.socket(read_only=True, seconds=_ASK_SECONDS).json(_RUNNING)
    except Problem:
        # It starts, stops or hangs: what it is, nobody says.
        return Server()
    if Path(said["data_directory"]).resolve() != directory.resolve():
        # A killed server's process number that is another server's now.
        return None
    return Server(
        said["in_recovery"],
        tuple(said["standbys"]),
        tuple(said["slots"]),
        said["synchronous"],
        said["archives"],
        float(said["now"]),
        said["written"],
    )


def registered(version: int, instance: str) -> str | None:
    text = _text(_debian.config_directory(version, instance) / "postgresql.conf") or ""
    named = re.findall(r"(?m)^\s*data_directory\s*=?\s*'((?:[^']|'')*)'", text)
    return str(named[-1]).replace("''", "'") if named else None


def _free(path: Path) -> int:
    there = next(each for each in (path, *path.parents) if each.exists())
    found = os.statvfs(there)
    return found.f_bavail * found.f_frsize


def _written_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None
