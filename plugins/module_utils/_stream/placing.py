# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A file gets its name last: what bears a name is whole, also after a kill or a power cut."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._stream.writing import FileSink

PARTIAL_ENDING = ".partial"


def partial_of(file: Path) -> Path:
    """Hidden, and with an ending that nobody takes for a finished file's."""
    return file.with_name(f".{file.name}{PARTIAL_ENDING}")


def write_text(path: Path, partial: Path, text: str) -> None:
    """There as a whole or not at all; only its owner may read it."""
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    sink = FileSink(partial)
    try:
        sink.write(text.encode())
        sink.close()
        put_in_place(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    finally:
        sink.release()


def put_in_place(partial: Path, path: Path) -> None:
    """The name last, and on disk before anybody relies on it."""
    partial.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def writable(what: str, destination: Path) -> Path:
    """The directory itself or the nearest above it that is there; it can be written to. `what` names it."""
    place = destination
    try:
        while not place.exists():
            place = place.parent
    except OSError as error:
        raise Refused(f"{what} {destination} cannot be written to: {error.strerror} ({place}).") from error
    if not place.is_dir():
        raise Refused(f"{what} {destination} is not a directory ({place} is a file).")
    if not os.access(place, os.W_OK | os.X_OK):
        raise Refused(f"{what} {destination} cannot be written to by user {os.geteuid()} ({place}).")
    return place
