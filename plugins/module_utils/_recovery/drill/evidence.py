# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a drill found, as it is kept: one value from which the verdict, the file and the page follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any


@dataclass(frozen=True)
class Objectives:
    """What is promised, in seconds."""

    rto_seconds: float
    rpo_seconds: float


@dataclass(frozen=True)
class Checked:
    """One question and what became of it."""

    name: str
    passed: bool
    told: str = ""


@dataclass
class Evidence:
    """One drill."""

    cluster: str
    stanza: str
    host: str
    # Seconds since 1970, by the scratch host's clock.
    began: float
    objectives: Objectives
    system_identifier: str | None = None
    server_version: str | None = None
    backup: Mapping[str, Any] = field(default_factory=dict)
    followed_timeline: int | None = None
    stopped_at_lsn: str | None = None
    # When the newest transaction ended that was recovered, and what tells it.
    newest_commit: float | None = None
    newest_commit_from: str = ""
    # To the first correct answer.
    rto_seconds: float | None = None
    took: dict[str, float] = field(default_factory=dict)
    checks: list[Checked] = field(default_factory=list)
    # Why it went no further.
    failure: str | None = None

    @property
    def rpo_seconds(self) -> float | None:
        """How old the newest thing was that a disaster at the drill's beginning would have left."""
        return None if self.newest_commit is None else max(0.0, self.began - self.newest_commit)

    @property
    def faults(self) -> list[str]:
        return list(self._faults())

    def _faults(self) -> Iterator[str]:
        if self.failure is not None:
            yield self.failure
            return
        if self.rto_seconds is None or self.rto_seconds > self.objectives.rto_seconds:
            yield f"RTO was {span(self.rto_seconds)}, the objective is {span(self.objectives.rto_seconds)}."
        if self.rpo_seconds is None or self.rpo_seconds > self.objectives.rpo_seconds:
            yield f"RPO was {span(self.rpo_seconds)}, the objective is {span(self.objectives.rpo_seconds)}."
        for check in self.checks:
            if not check.passed:
                yield f"Check '{check.name}' did not pass: {check.told}."

    @property
    def passed(self) -> bool:
        return not self.faults

    @property
    def document(self) -> dict[str, Any]:
        """As it is written, with times as people and programs read them."""
        return {
            **asdict(self),
            "began": moment(self.began),
            "newest_commit": moment(self.newest_commit),
            "rpo_seconds": self.rpo_seconds,
            "passed": self.passed,
            "faults": self.faults,
        }

    def state(self, before: Mapping[str, Any] | None) -> dict[str, Any]:
        """For those who look whether there was a drill: this one, and when the last one passed."""
        passed = moment(self.began) if self.passed else (before or {}).get("passed_at")
        return {
            "layout": 1,
            "cluster": self.cluster,
            "at": moment(self.began),
            "passed": self.passed,
            "passed_at": passed,
            "rto_seconds": self.rto_seconds,
            "rpo_seconds": self.rpo_seconds,
            "objectives": asdict(self.objectives),
            "backup": self.backup.get("label"),
            "faults": self.faults,
        }


def moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="seconds")


def span(seconds: float | None) -> str:
    """A length of time as one says it."""
    if seconds is None:
        return "not measured"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} days"


def size(count: float | None) -> str:
    if count is None:
        return "unknown"
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
