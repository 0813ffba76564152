# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is on the host while a drill lasts, known for its own from the beginning on and gone at the end."""

from __future__ import annotations

import shutil
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Mark, Place, read_mark
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.trial import end_orphan

REQUEST = {"drill": True}


def begin(place: Place, mark: Mark) -> None:
    """A directory that is known for a drill's from here on."""
    _directory(place.data.parent)
    # A run that was killed before it could mark it left it empty.
    place.growing.mkdir(mode=0o700, exist_ok=True)
    shutil.chown(place.growing, _debian.SUPERUSER, _debian.SUPERUSER)
    mark.write(place)


def left_by_a_drill(mark: Mark | None) -> bool:
    return mark is not None and mark.request == REQUEST


def remove(place: Place, stamp: str) -> None:
    """All of it, also what still runs on it; the mark goes last."""
    end_orphan(place)
    mark = read_mark(place)
    for directory in mark.proof.get("tablespaces", ()) if left_by_a_drill(mark) and mark is not None else ():
        _empty(Path(directory))
    for path in (place.restored, place.tablespaces(stamp), place.sockets, place.growing):
        shutil.rmtree(path, ignore_errors=True)
    if place.growing.exists():
        raise Problem(f"{place.growing} cannot be removed: look what keeps it, and remove it by hand.")


def _empty(directory: Path) -> None:
    """It was empty before, and stays, since it may be a mount point."""
    for each in directory.iterdir() if directory.is_dir() else ():
        shutil.rmtree(each, ignore_errors=True) if each.is_dir() and not each.is_symlink() else each.unlink()


def _directory(path: Path) -> None:
    if not path.exists():
        path.mkdir(mode=0o700, parents=True)
        shutil.chown(path, _debian.SUPERUSER, _debian.SUPERUSER)
