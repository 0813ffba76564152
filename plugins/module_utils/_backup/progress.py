# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How far a long run is, for whoever looks from a second terminal: a small file beside what is being made."""

from __future__ import annotations

import contextlib
import json
import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import written

EVERY_SECONDS = 1.0


class Progress:
    """Written anew about once in a second and gone at the end. That it cannot be written stops nobody."""

    def __init__(self, path: Path, identity: str) -> None:
        self._path = path
        self._id = identity
        self._started = time.monotonic()
        self._next = 0.0
        self._phase, self._since = "", self._started

    def tick(self, phase: str, measure: Callable[[], tuple[float, float | None]]) -> None:
        """`measure` tells bytes done and, where it is known, of how many; it is asked only when a line is due."""
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._since, self._next = phase, now, 0.0
        if now < self._next:
            return
        self._next = now + EVERY_SECONDS
        done, total = measure()
        self._write(done, total, now)

    def _write(self, done: float, total: float | None, now: float) -> None:
        seconds = now - self._since
        # Estimates may be short of the truth; what is not through yet is not at 100.
        percent = None if not total else round(min(99.9, 100.0 * done / total), 1)
        rate = done / seconds if seconds > 0 else 0.0
        told = {
            "id": self._id,
            "phase": self._phase,
            "percent": percent,
            "bytes": int(done),
            "bytes_per_second": int(rate),
            "seconds_left": round((total - done) / rate) if total and rate and total > done else None,
            "seconds": round(now - self._started, 1),
            "updated": written(datetime.now(timezone.utc)),
            "process": os.getpid(),
        }
        beside = self._path.with_name(f"{self._path.name}.new")
        with contextlib.suppress(OSError):
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(json.dumps(told) + "\n")
            beside.replace(self._path)

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink()
