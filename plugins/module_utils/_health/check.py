# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A check: what is measured, from when on it matters, and what remedies it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Callable

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed

INFO, WARNING, CRITICAL = "info", "warning", "critical"


@dataclass(frozen=True)
class Levels:
    """From which value on a check speaks up; None switches a level off.

    The floor keeps small things from being judged: a table of ten rows with
    five dead ones is half dead, and nobody's problem.
    """

    info: float | None = None
    warning: float | None = None
    critical: float | None = None
    floor: float | None = None


@dataclass(frozen=True)
class Measure:
    """One value, what it was measured on, and the sentence that says so."""

    value: float
    message: str
    object: str | None = None
    database: str | None = None
    # What the floor is compared with; without one the value is always judged.
    basis: float | None = None
    # Where what remedies it depends on what was found; otherwise the check's own.
    remedy: str | None = None


@dataclass(frozen=True)
class Check:
    name: str
    subset: str
    unit: str
    measure: Callable[[Observed], Iterable[Measure]]
    remedy: str
    levels: Levels = field(default_factory=Levels)
    # Whether more is worse; otherwise less is.
    above: bool = True
    # What the floor counts, for the documentation.
    floor_of: str = ""


def shown_seconds(seconds: float) -> str:
    """A duration as a person says it: 4.2 s, 12 min, 3 h 5 min, 2 d 4 h."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def shown_bytes(count: float) -> str:
    """A size as a person says it: 512 B, 3.4 MiB, 120 GiB."""
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"


def shown_count(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
