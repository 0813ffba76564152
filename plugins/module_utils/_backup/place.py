# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One run at a time writes backups of a database to a directory, and clears away what an earlier one left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup import manifest as manifests
from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import LOGICAL
from ansible_collections.runbook.postgres.plugins.module_utils._backup.ids import ids_of
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._orphans import end_orphans
from ansible_collections.runbook.postgres.plugins.module_utils._progress import ENDING, Progress

PARTIAL, REMOVING = ".partial", ".removing"
# What is done about a backup, as its progress tells.
BACKUP, VERIFICATION, FETCH, RESTORE = "backup", "verification", "fetch", "restore"


def partial_directory(place: Path, name: str) -> Path:
    return place / f".{name}{PARTIAL}"


def of_backup(place: Path, name: str, work: str, kind: str, database: str) -> Progress:
    """Who holds the lock of the database tells here how far it is; what a killed one left is a leftover."""
    return Progress(place / f".{name}{ENDING}", **about(name, work, kind, database))


def about(name: str, work: str, kind: str, database: str) -> dict[str, str]:
    return {"id": name, "work": work, "method": LOGICAL, "kind": kind, "database": database}


@contextlib.contextmanager
def alone(place: Path, readable: str, title: str) -> Iterator[None]:
    """`readable` is the part of ids that stands for the database, so that whose names are alike wait for each other.

    The lock is the kernel's, and ends with whoever holds it.
    """
    path = place / f".{readable}.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused(f"{place} cannot be written to: {error.strerror} (user {os.geteuid()}).") from error
    try:
        if os.geteuid() == 0:
            # Of whom the backups are, who would else be shut out by one run of root's.
            about = place.stat()
            os.fchown(descriptor, about.st_uid, about.st_gid)
        if not _locked(descriptor):
            raise Refused(f"{_at_work(place, title, _process(descriptor))}: run this again when it is through.")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int = fcntl.LOCK_EX) -> bool:
    """Tried for a moment: a dry run that asks whether it is held holds it itself while it asks."""
    deadline = Deadline(2)
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if deadline.passed():
                return False
            time.sleep(0.1)
        else:
            return True


def holder(place: Path, readable: str) -> str | None:
    """The process that holds the lock now, if one does; asked without taking it for longer than the question."""
    try:
        descriptor = os.open(place / f".{readable}.lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _process(descriptor)
    finally:
        os.close(descriptor)
    return None


def _process(descriptor: int) -> str:
    """Of whoever holds it, as it wrote there."""
    return os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"


def foreseen(place: Path, readable: str, title: str) -> list[str]:
    """What a dry run, which waits for nobody, has to say of a run that is under way."""
    process = holder(place, readable)
    if process is None:
        return []
    about = _at_work(place, title, process)
    return [f"{about}: what it does is not foreseen here, and until it is through a run is refused."]


def _at_work(place: Path, title: str, process: str) -> str:
    return f"Another run is at work on backups of {title} in {place} (process {process})"


def hold(directory: Path) -> int | None:
    """Whoever restores from a backup holds its manifest, so that no retention takes it away meanwhile: the open file,
    which is closed afterwards and at the latest with the process. None where the file system has no locks."""
    path = directory / manifests.NAME
    gone = f"Backup {directory} is being removed, past its time: restore from another one."
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"Backup {directory} cannot be read: {error.strerror} (user {os.geteuid()}).") from error
    try:
        if not _locked(descriptor, fcntl.LOCK_SH) or not path.exists():
            os.close(descriptor)
            raise Refused(gone)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def held(directory: Path) -> bool:
    """Whether somebody restores from that backup now."""
    with contextlib.suppress(OSError), _manifest(directory) as descriptor:
        return not _locked(descriptor)
    return False


@contextlib.contextmanager
def _manifest(directory: Path) -> Iterator[int]:
    # Some file systems want to be written to by who locks others out.
    descriptor = os.open(directory / manifests.NAME, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def leftovers(place: Path, readable: str) -> list[Path]:
    """What a run that was killed left of backups with such names; nobody else writes them while we hold the lock."""
    endings = "|".join(map(re.escape, (PARTIAL, REMOVING, ENDING, f"{ENDING}.new")))
    pattern = re.compile(rf"\.{ids_of(readable)}({endings})")
    try:
        return sorted(each for each in place.iterdir() if pattern.fullmatch(each.name))
    except FileNotFoundError:
        return []


def clear(place: Path, readable: str) -> list[str]:
    """Remove it, after ending a pg_dump that goes on without its module; the names of what there was."""
    gone = []
    for each in leftovers(place, readable):
        end_orphans("pg_dump", str(each))
        remove_tree(each)
        gone.append(each.name)
    return gone


def remove_tree(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise Problem(f"{error.filename or path} cannot be removed: {error.strerror}; remove it by hand.") from error


def remove_backup(directory: Path) -> None:
    """First out of sight, in one step: what still bears a backup's name is whole."""
    hidden = directory.with_name(f".{directory.name}{REMOVING}")
    with contextlib.ExitStack() as until_renamed:
        with contextlib.suppress(OSError):
            if not _locked(until_renamed.enter_context(_manifest(directory))):
                raise Problem(f"Backup {directory} is being restored from and stays: a later run removes it.")
        try:
            directory.rename(hidden)
        except OSError as error:
            raise Problem(f"Backup {directory} cannot be removed: {error.strerror}; it is still whole.") from error
    sync(directory.parent)
    remove_tree(hidden)


def give(directory: Path, owner: tuple[int, int]) -> None:
    """All of a directory that was made here, flushed, to whom it is for; -1 leaves what is.

    By descriptors and the outermost last: who owns what it is in may lay another one or a link in its place meanwhile,
    and would be given what that leads to.
    """
    top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if owner != (-1, -1) and os.fstat(top).st_uid != os.geteuid():
            raise Problem(
                f"{directory} is not the directory that was made there: whoever may write to {directory.parent} has "
                "put another one in its place; look who does that, and run this again."
            )
        for _path, _directories, names, place in os.fwalk(".", topdown=False, dir_fd=top):
            for name in names:
                os.chown(name, *owner, dir_fd=place, follow_symlinks=False)
            os.chown(place, *owner)
            os.fsync(place)
    finally:
        os.close(top)


def sync(path: Path) -> None:
    """A file's content, or a directory's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
