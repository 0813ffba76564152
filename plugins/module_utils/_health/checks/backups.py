# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Is there a backup, was it verified, and did somebody recover from one?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import backups as seen_by
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.backups import Backup, Dump
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import (
    Check,
    Levels,
    Measure,
    shown_seconds,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed

_DAY = 86400.0
# Where it never happened, longer than any limit.
_NEVER = 100 * 365 * _DAY


def _kept(observed: Observed) -> Iterator[Backup | Dump]:
    """Of either kind."""
    for probe in (seen_by.BACKUPS, seen_by.DUMPS):
        yield from (seen.row for seen in observed.of(probe))


def _backups(observed: Observed) -> Iterable[Measure]:
    for row in _kept(observed):
        reach = (
            f"; it can be recovered from {row.recoverable_from} to {row.recoverable_to}"
            if isinstance(row, Backup) and row.recoverable_to
            else ""
        )
        told = (
            "There is no backup"
            if row.backup_seconds is None
            else (f"The latest backup is {shown_seconds(row.backup_seconds)} old")
        )
        yield Measure(_or_never(row.backup_seconds), f"{told} of {row.subject}{reach}.", row.named)


def _verified(observed: Observed) -> Iterable[Measure]:
    for row in _kept(observed):
        told = (
            "was never verified"
            if row.verified_seconds is None
            else (f"was last verified {shown_seconds(row.verified_seconds)} ago")
        )
        yield Measure(_or_never(row.verified_seconds), f"A backup of {row.subject} {told}.", row.named)


def _problems(observed: Observed) -> Iterable[Measure]:
    for row in _kept(observed):
        if row.problems:
            yield Measure(row.problems, f"Backups of {row.subject} have problems: {row.told}", row.named)


def _drills(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.DRILLS):
        row = seen.row
        told = (
            "No recovery drill has passed"
            if row.passed_seconds is None
            else (f"The last recovery drill that passed was {shown_seconds(row.passed_seconds)} ago")
        )
        yield Measure(_or_never(row.passed_seconds), f"{told} for cluster {row.cluster}.", row.cluster)


def _failed(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.DRILLS):
        row = seen.row
        if not row.passed:
            yield Measure(
                1,
                f"The recovery drill of cluster {row.cluster} at {row.at} did not pass: {row.faults}",
                row.cluster,
            )


def _or_never(seconds: float | None) -> float:
    return _NEVER if seconds is None else max(0.0, seconds)


CHECKS = (
    Check(
        name="backup_age_seconds",
        subset="backups",
        unit="s",
        measure=_backups,
        remedy="Look why the scheduled backup did not run or failed, and take one now.",
        levels=Levels(warning=_DAY, critical=3 * _DAY),
    ),
    Check(
        name="backup_verified_seconds",
        subset="backups",
        unit="s",
        measure=_verified,
        remedy="Verify a backup; one that nobody has read back may be none.",
        levels=Levels(warning=8 * _DAY),
    ),
    Check(
        name="backup_problems",
        subset="backups",
        unit="problems",
        measure=_problems,
        remedy="Take a full backup now: what is damaged, or from before a gap in the WAL, reaches less far.",
        levels=Levels(warning=0),
    ),
    Check(
        name="drill_age_seconds",
        subset="backups",
        unit="s",
        measure=_drills,
        remedy="Hold a drill with runbook.postgres.drill; only a recovery that was tried is known to work.",
        levels=Levels(warning=35 * _DAY),
    ),
    Check(
        name="drill_failed",
        subset="backups",
        unit="drills",
        measure=_failed,
        remedy="Read the drill's page, mend the cause and hold it again; until then a disaster costs too much.",
        levels=Levels(critical=0),
    ),
)
