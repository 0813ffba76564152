# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""WAL that never reached the archive, brought from the old directory to the restored one, as far as it can be read."""

from __future__ import annotations

import contextlib
import shutil
import struct
from collections.abc import Generator
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Segment, Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place

_PORTION = 1 << 20
# How a page of WAL begins: magic, flags, timeline, address, as the machine that wrote it has its numbers.
_PAGE = struct.Struct("=HHIQ")


class _Unreadable(Exception):
    """By a disk that does not give it out any more; of what it is written to another error tells."""


def keep_wal(place: Place, stanza: Stanza, first: Segment) -> list[str]:
    """What could not be brought, in sentences: behind a segment that is missing none can be replayed. `first` is where
    the backup begins."""
    old, new = place.data / "pg_wal", place.restored / "pg_wal"
    try:
        names, gaps = waiting(old, stanza, first)
    except OSError as error:
        return [f"WAL in {old} could not be read ({error.strerror}): what never reached the archive is not there."]
    lost = [
        f"{name} in {old} does not hold the WAL that its name says, and there is more behind it: what was committed "
        "from then on is there only as far as the archive has it."
        for name in gaps
    ]
    ended = False
    for name in names:
        segment = len(name) == 24
        if segment and ended:
            continue
        try:
            _bring(old / name, new / name)
        except _Unreadable as error:
            (new / name).unlink(missing_ok=True)
            what, so = (f"WAL from {name} on", "what was committed then") if segment else (name, "that timeline")
            lost.append(
                f"{what} could not be read in {old} ({error}): {so} is there only as far as the archive has it."
            )
            ended = ended or segment
    return lost


def bytes_waiting(place: Place, stanza: Stanza, first: Segment) -> int:
    """How much there is to be brought."""
    try:
        names, _gaps = waiting(place.data / "pg_wal", stanza, first)
    except OSError:
        # It will be told, and nothing of it be brought.
        return 0
    return sum(first.bytes for name in names if len(name) == 24)


def waiting(old: Path, stanza: Stanza, first: Segment) -> tuple[list[str], list[str]]:
    """What the archive may lack of it, in order, of each timeline as far as it goes; and where it goes on in vain."""
    last = "" if stanza.last is None else stanza.last.name
    if not old.is_dir():
        return [], []
    names = sorted(each.name for each in old.iterdir() if len(each.name) == 24 or each.name.endswith(".history"))
    # Of a segment behind the archive's end the mark may be missing: it was being written.
    marks = old / "archive_status"
    lacking = [
        name
        for name in names
        if (len(name) == 24 and (name > last or _older_and_open(marks, name, last)))
        or _may_be_there(marks / f"{name}.ready")
    ]
    found: list[str] = []
    ends: dict[str, str] = {}
    gaps: dict[str, str] = {}
    for name in lacking:
        segment, timeline = Segment(name, first.bytes), name[:8]
        if len(name) != 24:
            found.append(name)
        elif segment.number < first.number:
            continue
        elif not written(old / name, segment):
            ends.setdefault(timeline, name)
        elif timeline in ends:
            gaps[timeline] = ends[timeline]
        else:
            found.append(name)
    return found, list(gaps.values())


def written(path: Path, segment: Segment) -> bool:
    """Whether it has what its name says. The server keeps files with the names of what comes next, up to its
    max_wal_size; until they are written their first page is that of long ago, or none."""
    try:
        with path.open("rb") as file:
            begins = file.read(_PAGE.size)
    except OSError:
        # Whether there was something in it nobody can say, which is told when it is brought.
        return True
    if len(begins) < _PAGE.size:
        return False
    _magic, _flags, timeline, address = _PAGE.unpack(begins)
    # A timeline begins with a copy of what it has of the one before.
    return bool(address == segment.number * segment.bytes and timeline <= segment.timeline)


def _older_and_open(marks: Path, name: str, last: str) -> bool:
    """Where the archive's end is of a later timeline it says nothing of this one's."""
    return name[:8] < last[:8] and not _known_to_be_there(marks / f"{name}.done")


def _known_to_be_there(mark: Path) -> bool:
    try:
        return mark.exists()
    except OSError:
        return False


def _may_be_there(mark: Path) -> bool:
    try:
        return mark.exists()
    except OSError:
        # A segment that is in the archive as well does no harm.
        return True


def _bring(source: Path, target: Path) -> None:
    try:
        with contextlib.closing(_content(source)) as content, target.open("wb") as copy:
            for portion in content:
                copy.write(portion)
        shutil.chown(target, _debian.SUPERUSER, _debian.SUPERUSER)
        target.chmod(0o600)
    except FileNotFoundError:
        # It was there to be used again, and was.
        target.unlink(missing_ok=True)


def _content(source: Path) -> Generator[bytes, None, None]:
    try:
        with source.open("rb") as file:
            while portion := file.read(_PORTION):
                yield portion
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _Unreadable(error.strerror) from error
