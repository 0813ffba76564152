# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One run of ours at a time on an instance of this host, or on what is written down of one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused

LOCKS = Path("/run/runbook.postgres")
_PAUSE = 0.5


class Busy(Problem):
    """Another run has not come to its end in the time given."""


@contextlib.contextmanager
def alone(name: str, seconds: float) -> Iterator[None]:
    """Wait for another run of ours on this instance: when its controller died, it goes on by itself.

    The lock is the kernel's, so that it ends with whoever holds it.
    """
    with _held(name, fcntl.LOCK_EX, seconds) as descriptor:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield


@contextlib.contextmanager
def together(name: str, seconds: float) -> Iterator[None]:
    """With others that do the same, and with nobody who has it alone."""
    with _held(name, fcntl.LOCK_SH, seconds):
        yield


@contextlib.contextmanager
def _held(name: str, how: int, seconds: float) -> Iterator[int]:
    try:
        LOCKS.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(_file(name), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused(f"{LOCKS} cannot be used ({error.strerror}): give the task the rights of root.") from error
    try:
        _wait(descriptor, name, how, Deadline(seconds))
        yield descriptor
    finally:
        os.close(descriptor)


def holder(name: str) -> str | None:
    """The process that is at it now, if one is; asked without taking the lock for longer than the question."""
    return _asked(name, fcntl.LOCK_SH)


def used(name: str) -> bool:
    """Whether anybody has it, alone or together with others; asked like that."""
    return _asked(name, fcntl.LOCK_EX) is not None


def _asked(name: str, how: int) -> str | None:
    try:
        descriptor = os.open(_file(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
    finally:
        os.close(descriptor)
    return None


def _file(name: str) -> Path:
    return LOCKS / f"{name}.lock"


def _wait(descriptor: int, name: str, how: int, deadline: Deadline) -> None:
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if deadline.passed():
                raise Busy(
                    f"Another run has been at {name} of this host for all of the time given: "
                    "let it finish, or look what it waits for."
                ) from None
            time.sleep(_PAUSE)
        else:
            return
