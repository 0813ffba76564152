# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The base backup: into a directory beside its place, and renamed only when it is whole and on the disk."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils import _files
from ansible_collections.runbook.postgres.plugins.module_utils._clone_mark import MARK_TEXT
from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, ProgramFailed, account
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._debian import SUPERUSER, bin_directory
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._orphans import end_orphans
from ansible_collections.runbook.postgres.plugins.module_utils._rewind_mark import rewinding
from ansible_collections.runbook.postgres.plugins.module_utils._standby.conninfo import Conninfo
from ansible_collections.runbook.postgres.plugins.module_utils._standby.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._standby.plan import room_refusal
from ansible_collections.runbook.postgres.plugins.module_utils._standby.upstream import renew_slot

_PROGRESS = re.compile(r"(\d+)/(\d+) kB")
# Our own directories are new; only tablespaces go where they are on the upstream.
_NOT_EMPTY = re.compile(r'directory "([^"]+)" exists but is not empty')
_POLL_SECONDS = 0.1
# The upstream notices that a walsender's other end is gone when it next writes to it, at most wal_sender_timeout.
_SLOT_IN_USE = re.compile(r"replication slot .* is active for PID")
_SLOT_NAME = re.compile(r"[a-z0-9_]{1,63}")
_SLOT_PAUSE_SECONDS = 2.0
# Longer than wal_sender_timeout by default.
_SLOT_SECONDS = 90.0


@dataclass(frozen=True)
class Copying:
    """How the copy is to be made."""

    version: int
    conninfo: Conninfo
    slot: str | None
    max_rate: str | None
    checkpoint: str
    seconds: float

    def argv(self, place: Place) -> list[str]:
        argv = [str(bin_directory(self.version) / "pg_basebackup"), f"--pgdata={place.clone}"]
        argv += [f"--dbname={self.conninfo.text(application_name='runbook.postgres')}", "--no-password", "--progress"]
        argv += ["--format=plain", "--wal-method=stream", f"--checkpoint={self.checkpoint}"]
        argv += [f"--waldir={place.wal}"] if place.wal else []
        argv += [f"--slot={self.slot}"] if self.slot else []
        argv += [f"--max-rate={self.max_rate}"] if self.max_rate else []
        return argv


def clone(copying: Copying, place: Place, free: Callable[[], int]) -> int:
    """Make it and put it in its place; how many bytes were copied."""
    _begin(place)
    try:
        _renew_slot(copying)
        copied = _copy(copying, place, free())
    except Problem:
        # Nothing is kept of what cannot be finished: it would only take room, here and there.
        remove(place)
        _release_slot(copying)
        raise
    _publish(place)
    return copied


def _renew_slot(copying: Copying) -> None:
    """A walsender whose other end was killed may hold it for a while."""
    if copying.slot is None:
        return
    if not _SLOT_NAME.fullmatch(copying.slot):
        raise Refused(f"'{copying.slot}' cannot be a slot: use lower-case letters, digits and underscores.")
    deadline = Deadline(min(copying.seconds, _SLOT_SECONDS))
    while True:
        try:
            renew_slot(copying.version, copying.conninfo, copying.slot, reserve=True)
        except Unreachable as error:
            if not _SLOT_IN_USE.search(str(error)) or deadline.remaining() <= _SLOT_PAUSE_SECONDS:
                raise
            time.sleep(_SLOT_PAUSE_SECONDS)
        else:
            return


def _release_slot(copying: Copying) -> None:
    """It is to keep no WAL for a clone that there is not; where that fails, the next run does it."""
    if copying.slot is not None:
        with contextlib.suppress(Problem):
            renew_slot(copying.version, copying.conninfo, copying.slot, reserve=False)


def _begin(place: Place) -> None:
    _parents(place.data)
    place.growing.mkdir(mode=0o700)
    _files.put(_files.File(place.mark, MARK_TEXT.encode()), place.mark)
    shutil.chown(place.growing, SUPERUSER, SUPERUSER)
    if place.wal is not None and place.wal_mark is not None:
        _parents(place.wal)
        _files.put(_files.File(place.wal_mark, MARK_TEXT.encode()), place.wal_mark)
        place.wal.mkdir(mode=0o700, exist_ok=True)
        shutil.chown(place.wal, SUPERUSER, SUPERUSER)


def _parents(path: Path) -> None:
    """The directories above, which belong to postgres where they are made."""
    for parent in reversed(path.parents):
        if not parent.exists():
            parent.mkdir(mode=0o755)
            parent.chmod(0o755)
            shutil.chown(parent, SUPERUSER, SUPERUSER)


def _copy(copying: Copying, place: Place, free: int) -> int:
    program = Program(copying.argv(place), become=account(SUPERUSER, "postgresql"))
    try:
        _watch(program, place, free, Deadline(copying.seconds))
        program.finish(1)
        return _progress(program.words())
    except ProgramFailed as error:
        raise _told(error, copying, room_refusal(str(place.data), _progress(error.words), free)) from error
    finally:
        program.end()


def _watch(program: Program, place: Place, free: int, deadline: Deadline) -> None:
    """Until it ends; it is stopped when it turns out that there is no room for the rest, or no time."""
    judged = False
    while not program.over_within(_POLL_SECONDS):
        if deadline.passed():
            raise Problem(
                "The base backup did not end within the time given and was stopped: raise timeout, or max_rate."
            )
        total = 0 if judged else _progress(program.words())
        if total:
            judged = True
            refusal = room_refusal(str(place.data), total, free)
            if refusal is not None:
                raise Refused(refusal)


def _progress(words: str) -> int:
    """The size of the whole, as it was last told."""
    found = _PROGRESS.findall(words)
    return int(found[-1][1]) * 1024 if found else 0


def _told(error: ProgramFailed, copying: Copying, no_room: str | None) -> Problem:
    if no_room is not None and "No space left" in error.words:
        return Refused(no_room)
    taken = _NOT_EMPTY.search(error.words)
    if taken is not None:
        return Refused(
            f"A tablespace of {copying.conninfo.place} lies in {taken[1]}, and that directory of this host is not "
            "empty: a clone that was killed may have left it, or it is somebody's. Look at it, empty it if nobody "
            "misses what is there, and run this again."
        )
    reasons = [each for each in error.words.split(" / ") if each and not _PROGRESS.search(each)]
    said = "; ".join(each.removeprefix("pg_basebackup: ").removeprefix("error: ") for each in reasons)
    return Problem(
        f"The base backup from {copying.conninfo.place} failed: {said or error.sentence.rstrip('.')}. "
        "What it had copied was removed; mend the cause and run this again."
    )


def _publish(place: Place) -> None:
    """pg_basebackup has brought its files to the disk; what follows is ours to bring there."""
    signal = place.clone / "standby.signal"
    _files.put(_files.File(signal, b"", SUPERUSER, SUPERUSER, 0o600), signal)
    # Onto nothing or an empty directory; onto anything else the kernel refuses.
    place.clone.rename(place.data)
    # It spoke of data that somebody removed.
    rewinding(place.data).unlink(missing_ok=True)
    sync(place.data.parent)
    _unmark(place)


def _unmark(place: Place) -> None:
    if place.wal_mark is not None:
        place.wal_mark.unlink(missing_ok=True)
        sync(place.wal_mark.parent)
    place.mark.unlink(missing_ok=True)
    place.growing.rmdir()
    sync(place.growing.parent)


def remove(place: Place) -> None:
    """What a run that was ended left, and nothing that does not carry our mark."""
    end_orphans("pg_basebackup", str(place.clone))
    if place.wal is not None and place.wal_mark is not None and place.wal_mark.exists():
        # The mark may outlive the moment in which the clone became the instance.
        if (place.data / "pg_wal").resolve() != place.wal.resolve():
            _empty(place.wal)
        place.wal_mark.unlink()
    if place.mark.exists():
        # The mark goes last.
        if place.clone.exists():
            shutil.rmtree(place.clone)
        place.mark.unlink()
    if place.growing.is_dir():
        place.growing.rmdir()


def _empty(directory: Path) -> None:
    for entry in directory.iterdir() if directory.is_dir() else ():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def move_aside(place: Place, stamp: str) -> None:
    """Nothing of it is lost: the directory gets another name, and so does that of its WAL."""
    wal = place.data / "pg_wal"
    if wal.is_symlink():
        old = wal.resolve()
        new = old.with_name(f"{old.name}.before-rebuild-{stamp}")
        if old.is_dir():
            old.rename(new)
            sync(new.parent)
            wal.unlink()
            wal.symlink_to(new)
    mark = rewinding(place.data)
    if mark.exists():
        # What is moved is still no database.
        mark.rename(rewinding(place.aside(stamp)))
    place.data.rename(place.aside(stamp))
    sync(place.data.parent)


def sync(directory: Path) -> None:
    """A rename lasts once its directory is on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
