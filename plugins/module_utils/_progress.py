# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How far a long run is, for whoever looks from a second terminal: a small file that its owner alone reads.

It lies beside what is being made, or with what runs of root's keep on this host.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Optional

EVERY_SECONDS = 1.0
_SPARING = 20.0
ENDING = ".progress.json"
HOST = Path("/var/lib/runbook-postgres")
# Bytes done, and of how many, as far as either is known.
Measured = tuple[Optional[float], Optional[float]]


def unmeasured() -> Measured:
    return None, None


class Progress:
    """Written anew about once in a second and gone at the end. That it cannot be written stops nobody.

    As a context it takes away at its end also what an earlier run left that was killed.
    """

    def __init__(self, path: Path | None, **about: Any) -> None:
        """`about` is told as it is; without a path nothing is."""
        self._path = path
        self._about = about
        self._started = time.monotonic()
        self._next = 0.0
        self._phase, self._since = "", self._started

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()

    def tick(self, phase: str, measure: Callable[[], Measured] = unmeasured) -> None:
        """`measure` is asked only when a line is due."""
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._since, self._next = phase, now, 0.0
        if now < self._next or self._path is None:
            return
        done, total = measure()
        took = time.monotonic() - now
        # What takes long to be measured is measured less often: nobody waits for who looks.
        self._next = now + max(EVERY_SECONDS, _SPARING * took)
        self._write(self._path, done, total, now)

    def watch(self, phase: str, measure: Callable[[], Measured] = unmeasured) -> Callable[[], None]:
        """To be called now and then while a program is waited for."""
        return lambda: self.tick(phase, measure)

    def _write(self, path: Path, done: float | None, total: float | None, now: float) -> None:
        told = {
            **self._about,
            "phase": self._phase,
            **figures(done, total, now - self._since),
            "seconds": round(now - self._started, 1),
            "updated": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "process": os.getpid(),
        }
        beside = path.with_name(f"{path.name}.new")
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
            # Never through what somebody else has put there.
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                if os.geteuid() == 0:
                    # For whoever the directory is of, and who reads what root does in it.
                    about = path.parent.stat()
                    os.fchown(descriptor, about.st_uid, about.st_gid)
                file.write(json.dumps(told) + "\n")
            beside.replace(path)

    def end(self) -> None:
        if self._path is not None:
            for each in (self._path, self._path.with_name(f"{self._path.name}.new")):
                with contextlib.suppress(OSError):
                    each.unlink()


def figures(done: float | None, total: float | None, seconds: float) -> dict[str, Any]:
    """What is not known is null, and no guess."""
    if done is None:
        return dict.fromkeys(("percent", "bytes", "bytes_per_second", "seconds_left"))
    rate = done / seconds if seconds > 0 else 0.0
    return {
        # Estimates may be short of the truth; what is not through yet is not at 100.
        "percent": round(min(99.9, 100.0 * done / total), 1) if total else None,
        "bytes": int(done),
        "bytes_per_second": int(rate),
        "seconds_left": round((total - done) / rate) if total and rate and total > done else None,
    }


def of_host(name: str, **about: Any) -> Progress:
    """Of a run of root's that has no directory in everybody's sight."""
    with contextlib.suppress(OSError):
        HOST.mkdir(mode=0o755, parents=True, exist_ok=True)
    clear_host()
    return Progress(HOST / f".{name}{ENDING}", **about)


def clear_host() -> None:
    """What runs left there that were killed."""
    for path, told in _files(HOST):
        if not _lives(told):
            Progress(path).end()


def told_in(place: Path) -> list[dict[str, Any]]:
    """What runs say of themselves there, as far as we may read it; one that was killed is known by its time."""
    return [told for _path, told in _files(place)]


def told_on_host(stanza: str) -> list[dict[str, Any]]:
    """Of runs on this host that are about a stanza and live."""
    return [told for told in told_in(HOST) if told.get("stanza") == stanza and _lives(told)]


def _files(place: Path) -> list[tuple[Path, dict[str, Any]]]:
    found = []
    with contextlib.suppress(OSError):
        for path in sorted(place.glob(f".*{ENDING}")):
            with contextlib.suppress(OSError, ValueError, TypeError):
                found.append((path, dict(json.loads(path.read_text(encoding="utf-8")))))
    return found


def _lives(told: Mapping[str, Any]) -> bool:
    return Path(f"/proc/{told.get('process')}").exists()
