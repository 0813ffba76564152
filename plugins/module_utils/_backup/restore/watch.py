# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How far a restore is: beside the backups, by what the server says of what grows there."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup import place
from ansible_collections.runbook.postgres.plugins.module_utils._backup.ids import readable
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import SCHEMA, Manifest
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._progress import ENDING, Measured, Progress
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

SIZE = "SELECT pg_database_size(%(name)s)::bigint AS bytes"


def of_restore(repository: Path, told: Manifest, target: str, system_identifier: str | None) -> Progress:
    """Called after the target, so that the next run into it clears what a killed one left of another backup."""
    mark = hashlib.sha256(f"{system_identifier} {target}".encode()).hexdigest()[:6]
    name = f".{place.RESTORE}-{readable(target)}-{mark}{ENDING}"
    about = place.about(told.id, place.RESTORE, told.content, told.origin.database)
    return Progress(repository / name, **about, target=target)


def growth(session: Session, database: str, told: Manifest) -> Callable[[], Measured]:
    """A database grows towards the size that it had when it was backed up, its indexes included."""
    total = None if told.content == SCHEMA else float(told.origin.bytes)
    empty: float | None = None

    def measure() -> Measured:
        nonlocal empty
        # Should the server be gone, the program that restores says so.
        with contextlib.suppress(Problem):
            size = float(session.fetch(SIZE, {"name": database})[0]["bytes"])
            empty = size if empty is None else empty
            return max(0.0, size - empty), None if total is None else max(1.0, total - empty)
        return None, None

    return measure


class Rows:
    """Rows of single tables on their way: by their number where the backup has counted them."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self._progress, self._total = progress, total
        self._bytes = self._rows = 0

    def through(self, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
        """The same, counted: COPY writes each row on a line."""

        def counted(size: int) -> bytes:
            data = read(size)
            self._bytes += len(data)
            self._rows += data.count(b"\n")
            self._progress.tick("load", self._measure)
            return data

        return counted

    def _measure(self) -> Measured:
        return self._bytes, self._bytes * self._total / self._rows if self._total and self._rows else None
