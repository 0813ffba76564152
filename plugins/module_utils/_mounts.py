# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""File systems that this host is to have mounted and has not: what is written below them would lie on another disk."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

_FSTAB = Path("/etc/fstab")
_UNITS = Path("/etc/systemd/system")
_MOUNTED = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")
_WHERE = re.compile(r"(?m)^\s*Where\s*=\s*(\S.*?)\s*$")


@dataclass(frozen=True)
class Missing:
    """A file system that is not mounted, and who says that it is to be."""

    mount: Path
    said_by: Path

    def sentence(self, place: object) -> str:
        return (
            f"{self.said_by} says that a file system is mounted on {self.mount}, it is not, and {place} would come to "
            f"lie on the disk below: mount it ('mount {self.mount}'), or take it out of {self.said_by}."
        )


def unmounted(*places: Path | str | None) -> str | None:
    """A sentence about the first of these whose file system is missing."""
    for place in places:
        absent = missing(Path(place)) if place else None
        if absent is not None:
            return absent.sentence(place)
    return None


def missing(place: Path, fstab: Path = _FSTAB, units: Path = _UNITS, mounted: Path = _MOUNTED) -> Missing | None:
    """The file system that is to hold `place` and is not there; None where nothing is amiss."""
    there = {Path(_plain(line.split()[4])) for line in _text(mounted).splitlines() if len(line.split()) > 4}
    wanted = {each.mount: each for each in _wanted(fstab, units, there)}
    if not wanted:
        return None
    real = _real(place)
    for directory in (real, *real.parents):
        # What is mounted counts as it is, whatever is missing above it.
        if directory in there:
            return None
        if directory in wanted:
            return wanted[directory]
    return None


def _wanted(fstab: Path, units: Path, there: Container[Path]) -> Iterator[Missing]:
    """What is mounted is not looked at: a file system whose server is gone would hold us for ever."""
    for line in _text(fstab).splitlines():
        fields = line.split()
        if len(fields) > 1 and not fields[0].startswith("#") and fields[1].startswith("/"):
            mount = Path(_plain(fields[1]))
            if mount not in there:
                yield Missing(_real(mount), fstab)
    for unit in sorted(units.glob("*.mount")) if units.is_dir() else ():
        found = _WHERE.findall(_text(unit))
        if found and Path(found[-1]) not in there:
            yield Missing(_real(Path(found[-1])), unit)


def _plain(field: str) -> str:
    """Blanks and their like are written as octal numbers."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), field)


def _real(path: Path) -> Path:
    return path.resolve()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
