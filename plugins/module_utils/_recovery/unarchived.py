# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""WAL that never reached the archive, brought from the old directory to the restored one, as far as it can be read."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Generator
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place

_PORTION = 1 << 20


class _Unreadable(Exception):
    """By a disk that does not give it out any more; of what it is written to another error tells."""


def keep_wal(place: Place, stanza: Stanza) -> list[str]:
    """What could not be brought, in sentences: behind a segment that is missing none can be replayed."""
    old, new = place.data / "pg_wal", place.restored / "pg_wal"
    try:
        names = _waiting(old, "" if stanza.last is None else stanza.last.name)
    except OSError as error:
        return [f"WAL in {old} could not be read ({error.strerror}): what never reached the archive is not there."]
    lost: list[str] = []
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


def _waiting(old: Path, last: str) -> list[str]:
    if not old.is_dir():
        return []
    names = sorted(each.name for each in old.iterdir() if len(each.name) == 24 or each.name.endswith(".history"))
    # Of a segment behind the archive's end the mark may be missing: it was being written.
    marks = old / "archive_status"
    return [
        name
        for name in names
        if (len(name) == 24 and (name > last or _older_and_open(marks, name, last)))
        or _may_be_there(marks / f"{name}.ready")
    ]


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
