# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which backup, which timeline, and whether the archive reaches: what is refused before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ansible_collections.runbook.postgres.plugins.module_utils._history import position
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import (
    Backup,
    Line,
    Stanza,
    reachable,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Target


@dataclass(frozen=True)
class Archive:
    """What was asked of the archive besides its listing."""

    # None where nothing on this host can ask yet: a fetch needs some data of the cluster.
    timeline: int | None = None
    # The timelines that it came from, each with where it was left; None if the archive does not know this timeline.
    history: Sequence[tuple[int, str]] | None = ()
    # When the last transaction ended that is in it; None if it was not found.
    last_ending: datetime | None = None
    # What it has of each timeline, where there are several.
    lines: Mapping[int, Line] = field(default_factory=dict)
    # Of each segment that is damaged when the one before it arrived, where the target is a time.
    arrivals: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """The backup to begin with, or why there is none."""

    backup: Backup | None
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def choose(
    target: Target, stanza: Stanza, archive: Archive, label: str | None = None, *, faulty: bool = False
) -> Choice:
    """The newest backup from which the target can be reached on that timeline; one that is known to be damaged only
    where there is no other, or where these count as well."""
    history = archive.history
    timeline = archive.timeline
    if history is None:
        return Choice(None, (_no_timeline(stanza, timeline),))
    known = [each for each in stanza.backups if label in (None, each.label)]
    if not known:
        what = f"no backup {label}" if label else "no backup that could be used"
        return Choice(None, (f"Stanza '{stanza.name}' has {what}: look at pgbackrest info.",))
    leading = [each for each in known if timeline is None or each.leads_to(timeline, history)]
    if not leading:
        return Choice(None, (_no_way(stanza, known, timeline),))
    fit = [each for each in leading if _before(each, target)]
    if not fit:
        return Choice(None, (_too_early(target, leading),))
    # At its own end each backup is another target.
    sound = fit if faulty or target.kind == "immediate" else [each for each in fit if each.sound]
    chosen = (sound or fit)[-1]
    return Choice(chosen, warnings=tuple(_broken(fit, chosen)))


def _broken(fit: Sequence[Backup], chosen: Backup) -> Iterator[str]:
    if chosen.damage is not None:
        yield f"Backup {chosen.label} is begun with all the same: {chosen.damage}"
    if chosen.faulty:
        yield (
            f"Pages of the cluster did not match their checksums when backup {chosen.label} was taken: "
            "look the recovered data over (runbook.postgres.corruption_check)."
        )
    for each in fit[fit.index(chosen) + 1 :]:
        why = each.damage or "Pages of the cluster were broken when it was taken."
        yield f"Backup {chosen.label} is begun with and not {each.label}: {why}"


def _before(backup: Backup, target: Target) -> bool:
    moment = target.moment
    if moment is not None:
        return backup.stopped < moment.timestamp()
    return target.kind != "lsn" or reachable(backup, target.value)


def _no_timeline(stanza: Stanza, timeline: int | None) -> str:
    return (
        f"The archive of stanza '{stanza.name}' knows no timeline {timeline}: "
        "leave timeline out for the latest, or look which .history files are in the archive."
    )


def _no_way(stanza: Stanza, known: Sequence[Backup], timeline: int | None) -> str:
    theirs = " and ".join(str(each) for each in sorted({each.timeline for each in known}))
    return (
        f"No backup of stanza '{stanza.name}' leads to timeline {timeline}, they are of timeline {theirs} "
        "and it did not come from there after they were taken: give another timeline."
    )


def _too_early(target: Target, leading: Sequence[Backup]) -> str:
    first = leading[0]
    end = datetime.fromtimestamp(first.stopped, timezone.utc).isoformat(sep=" ")
    return (
        f"The target, {target}, is before the end of every backup: the earliest that can be reached is that of "
        f"{first.label}, {end} at {first.consistent_from}. Choose a later target."
    )


def beyond(target: Target, stanza: Stanza, archive: Archive, now: float, *, more_wal: bool) -> Iterator[str]:
    """Why the WAL does not reach the target; `more_wal` says that there is some besides the archive's."""
    moment = target.moment
    if moment is not None and moment.timestamp() > now:
        yield f"The target, {target}, is in the future: choose a time that has been, or latest."
    elif more_wal:
        return
    elif moment is not None and archive.last_ending is not None and not _passed(archive.last_ending, target):
        yield (
            f"The target, {target}, is beyond the archive, whose last transaction ended at "
            f"{archive.last_ending.isoformat(sep=' ')}: to have everything that there is, choose latest."
        )
    elif target.kind == "lsn" and stanza.last is not None and stanza.last.timeline == archive.timeline:
        end = stanza.last.end
        if position(target.value) >= position(end):
            yield (
                f"The target, {target}, is beyond the archive, which ends at {end} of timeline {archive.timeline}: "
                "to have everything that there is, choose latest."
            )


def _passed(ending: datetime, target: Target) -> bool:
    """The server stops at a time only where it sees a transaction that ended past it."""
    moment = target.moment
    return moment is None or (ending > moment if target.inclusive else ending >= moment)


def wrong_timeline(own: int, history: Sequence[tuple[int, str]] | None, timeline: int | None) -> str | None:
    """Why a timeline that nobody named is not simply taken for the data of this instance."""
    if history is None or timeline in (None, own) or any(number == own for number, _lsn in history):
        return None
    return (
        f"This instance is on timeline {own}, and the archive's latest, {timeline}, did not come from it: "
        "say in timeline which of them is meant."
    )
