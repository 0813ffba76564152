# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What of data and file systems keeps a server from running."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.cause import Cause, Wish
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.found import Found, Volume

# A recovery writes at least a checkpoint and a segment of WAL beside those that there are.
ROOM = 64 << 20


def missing(found: Found) -> Iterator[Cause]:
    place = found.place
    if not found.configured:
        sentence = (
            f"There is no instance {found.title} on this host ({found.config_directory}): nothing can be started."
        )
        yield Cause("no_instance", sentence, refused=True)
    elif not found.installed:
        version = found.title.split("/", maxsplit=1)[0]
        sentence = f"PostgreSQL {version} is not installed on this host any more: install package postgresql-{version}."
        yield Cause("not_installed", sentence, refused=True)
    elif place.unmounted:
        yield Cause("unmounted", f"The data of instance {found.title} is not there: {place.unmounted}", refused=True)
    elif not place.exists:
        sentence = (
            f"{place.path}, the data of instance {found.title}, does not exist, and no file system is missing that "
            "this host is to mount: find out where it went; if it is lost, runbook.postgres.emergency_restore "
            "brings it back."
        )
        yield Cause("no_data", sentence, refused=True)
    elif place.version is None:
        sentence = (
            f"{place.path} holds no data of PostgreSQL (PG_VERSION is missing): see whether a disk is to be mounted "
            "there, or another directory was meant."
        )
        yield Cause("no_data", sentence, refused=True)


def data(found: Found, _wish: Wish) -> Iterator[Cause]:
    place, version = found.place, found.title.split("/", maxsplit=1)[0]
    if place.version != version:
        sentence = (
            f"{place.path} holds data of PostgreSQL {place.version} and the instance is of version {version}: "
            "name the right directory in data_directory, or upgrade with pg_upgradecluster."
        )
        yield Cause("another_version", sentence, refused=True)
    if place.owner != "postgres":
        sentence = (
            f"{place.path} belongs to {place.owner}, and the server takes a directory of its own user's only: "
            f"'chown postgres:postgres {place.path}', and look who else changed what is in it."
        )
        yield Cause("owner", sentence, refused=True)
    if place.mode & 0o027:
        sentence = (
            f"{place.path} has mode {place.mode:04o}, which lets others in, and the server refuses that: "
            f"'chmod 0700 {place.path}'."
        )
        yield Cause("mode", sentence, refused=True)
    if place.shut:
        yield Cause(
            "shut", f"{place.shut} lets user postgres not pass to {place.path}: 'chmod a+x {place.shut}'.", refused=True
        )
    if place.dangling:
        sentence = (
            f"{' and '.join(place.dangling)} lead nowhere, so that a part of the data is missing: mount the disk that "
            "it is on; starting without it could lose it."
        )
        yield Cause("part_missing", sentence, refused=True)
    elif place.control_problem:
        sentence = (
            f"The control data of {place.path} cannot be read ({place.control_problem}): do not start it; "
            "runbook.postgres.corruption_check says what is broken."
        )
        yield Cause("control_data", sentence, refused=True)


def disks(found: Found, _wish: Wish) -> Iterator[Cause]:
    yield from full(found)


def full(found: Found) -> Iterator[Cause]:
    for volume in found.volumes:
        what = f"The file system of {volume.purpose} ({volume.place})"
        # A server whose log cannot be written runs all the same.
        refused = volume.purpose != "log" and (found.server is None)
        if volume.read_only:
            sentence = (
                f"{what} is mounted read-only: see the kernel's log for errors of the disk before it is remounted."
            )
            yield Cause("read_only", sentence, refused=refused)
        elif volume.free_bytes < ROOM or volume.free_files == 0:
            yield Cause("disk_full", f"{what} is full: {_room(volume)}; {_way_out(volume)}.", refused=refused)


def _room(volume: Volume) -> str:
    if volume.free_files == 0:
        return (
            f"no file can be made any more, while {_bytes(volume.free_bytes)} of {_bytes(volume.size_bytes)} are free"
        )
    return f"{_bytes(volume.free_bytes)} of {_bytes(volume.size_bytes)} are free and {_bytes(ROOM)} are needed to start"


def _way_out(volume: Volume) -> str:
    if volume.purpose == "log":
        return "remove old logs; what goes wrong is not told as long as it is full"
    return "enlarge it, or remove what is not PostgreSQL's; without any file of pg_wal the data is broken"


def _bytes(number: int) -> str:
    return f"{number / (1 << 30):.1f} GiB" if number >= 10 << 30 else f"{number / (1 << 20):.0f} MiB"
