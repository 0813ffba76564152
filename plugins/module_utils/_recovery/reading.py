# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""While a recovery or a drill reads from the repositories, nothing of them is removed: here, and on other hosts."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.readers import (
    Reader,
    read,
    still_reading,
    this_process,
)
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.reading import reading
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.repository import Repository, reason

# Beyond the time that is given to a restore: its WAL is replayed and questions are put to it.
_GRACE = 3600.0


@contextlib.contextmanager
def reads(repository: Repository, seconds: float, warn: Callable[[str], None], *, check: bool) -> Iterator[None]:
    """From the choice of a backup until its WAL is replayed; what cannot be marked is told, and read all the same."""
    with reading(repository.stanza, check=check):
        if check:
            yield
            return
        mark = this_process(os.getpid(), seconds + _GRACE)
        marked = [number for number in _numbers(repository) if _mark(repository, number, mark, warn)]
        try:
            yield
        finally:
            for number in marked:
                # What stays is taken for nothing once its time is over, and the next run on this host removes it.
                with contextlib.suppress(ProgramFailed):
                    repository.unmark(mark, number)


def _numbers(repository: Repository) -> list[int]:
    try:
        return repository.numbers()
    except Problem:
        # Who chooses a backup is told why in a moment.
        return []


def _mark(repository: Repository, number: int, mark: Reader, warn: Callable[[str], None]) -> bool:
    try:
        marks = read(repository.marks(number))
        for left in set(marks) - set(still_reading(marks, time.time())):
            repository.unmark(left, number)
        repository.mark(mark, number)
    except (ProgramFailed, ValueError) as error:
        warn(
            f"Repository {number} does not take a mark that {mark.host} reads from it ({reason(error)}): have no "
            "backup with retention run on another host until this has ended."
        )
        return False
    return True
