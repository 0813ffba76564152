# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Copy what tells how it came to an emergency, newest first and never more than there is room for.

What could not be copied is said, one sentence a line. It is no failure: the restore that follows matters more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

PORTION = 1 << 20
# The disk may be the one that is to be restored to.
SHARE_OF_FREE = 20


class Keeper:
    def __init__(self, place: Path, most: int) -> None:
        self.place = place
        self.left = most
        self.missed: list[str] = []
        self.too_many: list[Path] = []

    def keep(self, path: Path) -> None:
        self._put(path, self.place / path.relative_to(path.anchor))

    def _put(self, path: Path, target: Path) -> None:
        try:
            told = path.lstat()
            if path.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.unlink(missing_ok=True)
                target.symlink_to(path.readlink())
                return
            size = min(told.st_size, self.left)
            if told.st_size and not size:
                self.too_many.append(path)
                return
            self.left -= size
            if target.exists() and target.stat().st_mtime_ns == told.st_mtime_ns:
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            self._copy(path, target, told.st_size - size)
            if size < told.st_size:
                self.missed.append(f"Of {path} the last {size:,} bytes were kept: there was no room for more.")
        except OSError as error:
            self.missed.append(f"{path} was not kept: {error.strerror}.")

    def _copy(self, path: Path, target: Path, beginning: int) -> None:
        """What is there under that name is whole."""
        growing = target.with_name(f".{target.name}.growing")
        try:
            with path.open("rb") as source, growing.open("wb") as copy:
                source.seek(beginning)
                while True:
                    portion = source.read(PORTION)
                    if not portion:
                        break
                    copy.write(portion)
            shutil.copystat(path, growing)
            growing.chmod(0o600)
            growing.rename(target)
        except OSError:
            growing.unlink(missing_ok=True)
            raise


def files_in(place: Path, missed: list[str]) -> list[Path]:
    """Newest first."""

    def unreadable(error: OSError) -> None:
        missed.append(f"{error.filename} was not kept: {error.strerror}.")

    found: list[tuple[int, Path]] = []
    for directory, _directories, names in os.walk(place, onerror=unreadable):
        for path in (Path(directory) / name for name in names):
            try:
                found.append((path.lstat().st_mtime_ns, path))
            except OSError as error:
                unreadable(error)
    return [path for _age, path in sorted(found, reverse=True)]


def kept(place: Path, most: int, sources: list[Path]) -> Iterator[str]:
    """What was not, in sentences."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.chmod(0o700)
        room = os.statvfs(place)
    except OSError as error:
        yield f"{place} cannot be used: {error.strerror}."
        return
    keeper = Keeper(place, min(most, room.f_bavail * room.f_frsize // SHARE_OF_FREE))
    for source in sources:
        for path in files_in(source, keeper.missed):
            keeper.keep(path)
    yield from keeper.missed
    if keeper.too_many:
        yield f"{len(keeper.too_many)} older files were not kept for lack of room, {keeper.too_many[0]} among them."


def main() -> None:
    parser = argparse.ArgumentParser(description="Copy logs and configuration, as far as there is room.")
    parser.add_argument("--most", type=int, default=200, help="in MiB")
    parser.add_argument("place", type=Path)
    parser.add_argument("sources", type=Path, nargs="+")
    given = parser.parse_args()
    for sentence in kept(given.place, given.most << 20, given.sources):
        sys.stdout.write(f"{sentence}\n")


if __name__ == "__main__":
    main()
