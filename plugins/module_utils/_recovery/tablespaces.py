# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where a backup's tablespaces go that are to have directories of their own, and what speaks against that.

The others go into a directory beside the data, since those of the present data stay where they are.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._debian import SUPERUSER
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.refusals import size

_SIZE = re.compile(r'"size":(\d+)')


@dataclass(frozen=True)
class Tablespace:
    """One of the backup's."""

    oid: str
    name: str
    bytes: int = 0


@dataclass(frozen=True)
class Spot:
    """What is at a directory, or where it is to be."""

    device: int
    free_bytes: int
    # None where it is not there, else whether something is in it.
    filled: bool | None = None


@dataclass(frozen=True)
class Moves:
    """Which tablespace goes where."""

    directories: Mapping[Tablespace, str] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()
    # What does not go to the disk of the data.
    bytes_elsewhere: int = 0

    @property
    def by_oid(self) -> dict[str, str]:
        return {each.oid: directory for each, directory in self.directories.items()}

    @property
    def by_name(self) -> dict[str, str]:
        return {each.name: directory for each, directory in self.directories.items()}


def read(manifest: str) -> tuple[Tablespace, ...]:
    """Of pgBackRest's manifest of a backup."""
    found: dict[str, str] = {}
    sizes: dict[str, int] = {}
    section = ""
    for line in manifest.splitlines():
        if line.startswith("["):
            section = line
        elif line.startswith("pg_tblspc/"):
            name, _equals, value = line.partition("={")
            oid = name.split("/")[1]
            if section == "[backup:target]":
                found[oid] = str(json.loads("{" + value)["tablespace-name"])
            elif section == "[target:file]":
                told = _SIZE.search(value)
                sizes[oid] = sizes.get(oid, 0) + (int(told[1]) if told else 0)
    return tuple(Tablespace(oid, name, sizes.get(oid, 0)) for oid, name in sorted(found.items()))


def spot(path: Path) -> Spot:
    try:
        there = next(each for each in (path, *path.parents) if each.exists())
        room = os.statvfs(there)
        filled = None if there != path else not path.is_dir() or any(path.iterdir())
        return Spot(there.stat().st_dev, room.f_bavail * room.f_frsize, filled)
    except OSError as error:
        raise Problem(f"{path} cannot be looked at ({error.strerror}): give another directory.") from error


def observed(given: Mapping[str, str], manifest: str, place: Place, ours: Collection[str]) -> Moves:
    spots = {each: spot(Path(each)) for each in given.values() if whole(each)}
    return moves(given, read(manifest), place, spot(place.data), spots, ours)


def moves(
    given: Mapping[str, str],
    known: Sequence[Tablespace],
    place: Place,
    data: Spot,
    spots: Mapping[str, Spot],
    ours: Collection[str],
) -> Moves:
    """`ours` are directories that an earlier run of the same recovery has filled."""
    directories: dict[Tablespace, str] = {}
    refusals: list[str] = []
    for wanted, directory in given.items():
        one = next((each for each in known if wanted in (each.oid, each.name)), None)
        if one is None:
            there = ", ".join(f"{each.name} ({each.oid})" for each in known) or "none"
            refusals.append(f"tablespace_map names tablespace '{wanted}', which the backup has not; it has {there}.")
        elif one in directories:
            refusals.append(f"tablespace_map names tablespace {one.name} twice, by its name and by its oid: keep one.")
        else:
            directories[one] = directory
    taken = list(given.values())
    for number, directory in enumerate(taken):
        refusals += _unfit(directory, place, taken[:number], spots.get(directory), ours)
    if not refusals:
        refusals += _room(directories, data, spots, ours)
    elsewhere = sum(
        each.bytes
        for each, directory in directories.items()
        if directory in spots and spots[directory].device != data.device
    )
    return Moves(directories, tuple(refusals), elsewhere)


def _unfit(
    directory: str, place: Place, before: Sequence[str], found: Spot | None, ours: Collection[str]
) -> Iterator[str]:
    path = Path(directory)
    if not whole(directory):
        yield f"tablespace_map has '{directory}', which is no whole path of a directory: give one, two levels deep."
        return
    for other in (place.data, place.growing, *(Path(each) for each in before)):
        if _within(path, other) or _within(other, path):
            yield (
                f"tablespace_map has {directory}, and that and {other} are not apart from each other: give each "
                "tablespace a directory of its own, outside of the data."
            )
    if found is not None and found.filled and directory not in ours:
        yield f"{directory} is not empty, so that no tablespace can have it: give another, or move away what it holds."


def whole(directory: str) -> bool:
    path = Path(directory)
    return path.is_absolute() and ".." not in path.parts and len(path.parts) > 2 and directory.isprintable()


def _within(one: Path, other: Path) -> bool:
    return one == other or other in one.parents


def _room(
    directories: Mapping[Tablespace, str], data: Spot, spots: Mapping[str, Spot], ours: Collection[str]
) -> Iterator[str]:
    """On disks other than the data's, which is counted with the rest of the backup."""
    wanted: dict[int, list[tuple[Tablespace, str]]] = {}
    for each, directory in directories.items():
        if spots[directory].device != data.device and directory not in ours:
            wanted.setdefault(spots[directory].device, []).append((each, directory))
    for its in wanted.values():
        needed, free = sum(each.bytes for each, _directory in its), spots[its[0][1]].free_bytes
        if needed > free:
            names = " and ".join(each.name for each, _directory in its)
            yield (
                f"The disk of {its[0][1]} has {size(free)} free, and tablespace {names} needs {size(needed)} there: "
                "make room, or give another directory."
            )


def make(directories: Collection[str]) -> list[str]:
    """Those that were not there, with postgres for their owner."""
    made = []
    for each in map(Path, directories):
        if not each.exists():
            each.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            each.mkdir(mode=0o700)
            made.append(str(each))
        shutil.chown(each, SUPERUSER, SUPERUSER)
        each.chmod(0o700)
    return made
