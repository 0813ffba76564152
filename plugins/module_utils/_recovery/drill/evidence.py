# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a drill found, as it is kept: one value from which the verdict, the file and the page follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

# More than any repository keeps of monthly drills.
_MOST_RESTORED = 60
# Two clocks that are kept right differ by less.
_CLOCKS_AGREE = 1.0


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
class Restored:
    """One logical backup, restored on a server of its own."""

    database: str
    # When the drill began, and when the dump's snapshot was taken: what was committed in between is not in it.
    began: float
    objectives: Objectives
    backup: Mapping[str, Any] = field(default_factory=dict)
    taken: float | None = None
    server_version: str | None = None
    rto_seconds: float | None = None
    took: dict[str, float] = field(default_factory=dict)
    checks: list[Checked] = field(default_factory=list)
    failure: str | None = None

    @property
    def rpo_seconds(self) -> float | None:
        return _age(self.began, self.taken)

    @property
    def faults(self) -> list[str]:
        if self.failure is not None:
            return [f"The logical backup of database {self.database} was not restored: {self.failure}"]
        whose = f"the logical backup of database {self.database}"
        found = list(_faults(self, f" of {whose}"))
        return [*found, *_wrong_clock(self.began, self.taken, f"What is in {whose}", "the drill began")]

    @property
    def document(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "began": moment(self.began),
            "taken": moment(self.taken),
            "rpo_seconds": self.rpo_seconds,
        }


@dataclass
class Evidence:
    """One drill."""

    cluster: str
    # None where no physical backup is part of it, and all that is about one then says nothing.
    stanza: str | None
    host: str
    # Seconds since 1970, by the scratch host's clock.
    began: float
    objectives: Objectives
    system_identifier: str | None = None
    server_version: str | None = None
    backup: Mapping[str, Any] = field(default_factory=dict)
    followed_timeline: int | None = None
    # The one that somebody named; else the archive's latest is followed.
    named_timeline: int | None = None
    stopped_at_lsn: str | None = None
    # When the newest transaction ended that was recovered, and what tells it.
    newest_commit: float | None = None
    newest_commit_from: str = ""
    # When the server had read the archive to its end. Until then it takes in what arrives.
    read_at: float | None = None
    # To the first correct answer about data.
    rto_seconds: float | None = None
    took: dict[str, float] = field(default_factory=dict)
    checks: list[Checked] = field(default_factory=list)
    # Why it went no further.
    failure: str | None = None
    # Why the backup is no good, where it was that and not this host or a question of the user's.
    damage: str | None = None
    logical: list[Restored] = field(default_factory=list)
    # What the recovery time ends with.
    first_answer: str = ""
    # Copies of which it says nothing.
    untried: list[str] = field(default_factory=list)

    @property
    def rpo_seconds(self) -> float | None:
        """What a disaster would have cost at the moment at which the archive was read to its end."""
        return _age(self.read_at, self.newest_commit)

    @property
    def faults(self) -> list[str]:
        found = [] if self.failure is None else [self.failure]
        if self.stanza is not None and self.failure is None:
            found += _faults(self, "")
            found += _wrong_clock(self.read_at, self.newest_commit, "The newest transaction", "the archive was read")
        return [*found, *(fault for each in self.logical for fault in each.faults)]

    @property
    def figures(self) -> tuple[float | None, float | None]:
        """RTO and RPO in one word: those of the cluster, or where only dumps were restored the worst of those."""
        if self.stanza is not None:
            return self.rto_seconds, self.rpo_seconds
        return _worst(each.rto_seconds for each in self.logical), _worst(each.rpo_seconds for each in self.logical)

    @property
    def summary(self) -> str:
        """What was measured, in a sentence."""
        found = [] if self.stanza is None else [f"RTO was {span(self.rto_seconds)}, RPO was {span(self.rpo_seconds)}"]
        for each in self.logical:
            whose = f"of the logical backup of database {each.database}"
            found.append(f"RTO {whose} was {span(each.rto_seconds)}, RPO was {span(each.rpo_seconds)}")
        return f"{'; '.join(found)}."

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
            "read_at": moment(self.read_at),
            "rto_seconds": self.figures[0],
            "rpo_seconds": self.figures[1],
            "logical": [each.document for each in self.logical],
            "passed": self.passed,
            "faults": self.faults,
            "summary": self.summary,
        }

    @property
    def proves_its_backup(self) -> bool:
        """Restored, replayed and found whole; that it took too long is no fault of the backup."""
        return self.stanza is not None and self.failure is None and all(each.passed for each in self.checks)

    def _restored(self, before: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The physical backups that drills have restored, this one last; the catalogue of backups reads them."""
        known = [each for each in before.get("restored", ()) if each["backup"] != self.backup.get("label")]
        return [*known, *([self._backup] if self.proves_its_backup else [])][-_MOST_RESTORED:]

    def _failed(self, before: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Those that drills have found to be damaged. A drill that had no room, or no time, says nothing of its own."""
        known = list(before.get("failed", ()))
        if self.proves_its_backup or self.damage is not None:
            known = [each for each in known if each["backup"] != self.backup.get("label")]
        return [*known, *([{**self._backup, "why": self.damage}] if self.damage is not None else [])][-_MOST_RESTORED:]

    @property
    def _backup(self) -> dict[str, Any]:
        where = {"stanza": self.stanza, "repository": self.backup.get("repository")}
        return {**where, "backup": self.backup.get("label"), "at": moment(self.began)}

    def state(self, before: Mapping[str, Any] | None) -> dict[str, Any]:
        """For those who look whether there was a drill: this one, when the last one passed, and what was restored."""
        passed = moment(self.began) if self.passed else (before or {}).get("passed_at")
        return {
            "layout": 1,
            "cluster": self.cluster,
            "at": moment(self.began),
            "passed": self.passed,
            "passed_at": passed,
            "rto_seconds": self.figures[0],
            "rpo_seconds": self.figures[1],
            "objectives": asdict(self.objectives),
            "backup": self.backup.get("label"),
            "restored": self._restored(before or {}),
            "failed": self._failed(before or {}),
            "logical": [
                {
                    "database": each.database,
                    "backup": each.backup.get("id"),
                    "rto_seconds": each.rto_seconds,
                    "rpo_seconds": each.rpo_seconds,
                }
                for each in self.logical
            ],
            "faults": self.faults,
        }


def _faults(of: Evidence | Restored, whose: str) -> Iterator[str]:
    """Each objective that was missed, and each question that was not answered right."""
    measured = (("RTO", of.rto_seconds, of.objectives.rto_seconds), ("RPO", of.rpo_seconds, of.objectives.rpo_seconds))
    for name, found, objective in measured:
        if found is None or found > objective:
            yield f"{name}{whose} was {span(found)}, the objective is {span(objective)}."
    for check in of.checks:
        if not check.passed:
            yield f"Check '{check.name}'{whose} did not pass: {check.told}."


def _age(at: float | None, committed: float | None) -> float | None:
    """None as well where it is negative: then the clocks tell nothing."""
    if at is None or committed is None or committed > at + _CLOCKS_AGREE:
        return None
    return max(0.0, at - committed)


def _wrong_clock(at: float | None, committed: float | None, what: str, then: str) -> Iterator[str]:
    if at is not None and committed is not None and committed > at + _CLOCKS_AGREE:
        yield (
            f"{what} was committed {span(committed - at)} after {then}, by their clocks: set those of this host and of "
            "the cluster right."
        )


def _worst(measured: Iterable[float | None]) -> float | None:
    """Of none, or where one was not measured, nothing can be said."""
    known = list(measured)
    return None if not known or None in known else max(each for each in known if each is not None)


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
