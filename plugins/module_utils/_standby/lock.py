# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One clone of an instance at a time on a host, and none that goes on without its module."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused

LOCKS = Path("/run/runbook.postgres")
_PAUSE = 0.5


@contextlib.contextmanager
def alone(name: str, seconds: float) -> Iterator[None]:
    """Wait for another run of ours on this instance: when its controller died, it goes on by itself.

    The lock is the kernel's, so that it ends with whoever holds it.
    """
    try:
        LOCKS.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(LOCKS / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused(f"{LOCKS} cannot be used ({error.strerror}): give the task the rights of root.") from error
    try:
        _wait(descriptor, name, Deadline(seconds))
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, name: str, deadline: Deadline) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if deadline.passed():
                raise Problem(
                    f"Another run has been at instance {name} of this host for all of the time given: "
                    "let it finish, or look what it waits for."
                ) from None
            time.sleep(_PAUSE)
        else:
            return


def end_orphans(clone: Path) -> int:
    """End what a killed module left writing into this directory; how many there were."""
    orphans = writers(clone)
    for pid in orphans:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = Deadline(30)
    while any(_lives(pid) for pid in orphans):
        if deadline.passed():
            raise Problem(f"pg_basebackup into {clone} does not end although it was killed: look at the disk below it.")
        time.sleep(0.05)
    return len(orphans)


def writers(clone: Path) -> list[int]:
    """The processes of pg_basebackup, by program and target, that write there."""
    wanted = f"--pgdata={clone}"
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if Path(words[0]).name == "pg_basebackup" and wanted in words:
                    found.append(int(entry.name))
    return found


def _lives(pid: int) -> bool:
    try:
        # The state stands behind the name, which may hold anything; one that waits to be collected is dead.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
