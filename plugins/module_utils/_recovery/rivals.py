# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether the archive's latest timeline is the one on which the cluster went on.

Its number does not tell: a standby that was promoted by mistake and thrown away has the highest. Nor does how far the
older one goes: after a failover the lost primary has WAL that never reached the standby, and before a recovery to a
point in time there was more than is wanted now. Time does. Where the older one goes on later than the latest does, or
long after that began, there were two that served, and which of them is meant nobody knows but a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ansible_collections.runbook.postgres.plugins.module_utils._history import position
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import Archive
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Target

# Within that a lost primary is stopped, and hands its last WAL over.
_TO_BE_STOPPED = timedelta(hours=1)


@dataclass(frozen=True)
class Reach:
    """How far something goes on a timeline, and when that was."""

    what: str
    timeline: int
    lsn: str
    moment: datetime

    def __str__(self) -> str:
        return f"{self.what} is at {self.lsn} of timeline {self.timeline} and of {_said(self.moment)}"


def contested(target: Target, stanza: Stanza, archive: Archive, own: Reach | None) -> str | None:
    """Why the latest timeline is not simply taken; `own` is the data of this host."""
    newest = archive.timeline
    if newest is None or target.kind == "immediate":
        return None
    known = [*_reaches(stanza, archive), *([own] if own is not None else [])]
    left = dict(archive.history or ())
    began = archive.lines[newest].began if newest in archive.lines else None
    its = [each for each in known if each.timeline == newest]
    ended = max((*(each.moment for each in its), *([began] if began is not None else [])), default=None)
    until = min(each for each in (ended, began and began + _TO_BE_STOPPED) if each is not None) if ended else None
    others = [each for each in known if each.timeline != newest and _past(each, left)]
    rival = max(others, key=lambda each: each.moment, default=None)
    if rival is None or (until is not None and rival.moment <= until) or _before(target, left, rival, began):
        return None
    there = left.get(rival.timeline)
    parted = f"did not come from {rival.timeline}" if there is None else f"left {rival.timeline} at {there}"
    furthest = max(its, key=lambda each: position(each.lsn), default=None)
    end = f"of {newest} there is its beginning alone, {_said(began)}" if began is not None else "nothing is of it"
    return (
        f"The archive's latest timeline, {newest}, {parted}, and the cluster went on there as well ({rival}; "
        f"{end if furthest is None else furthest}), so that {newest} may be a dead branch: say in timeline which of "
        f"them is meant, {rival.timeline} or {newest}."
    )


def _reaches(stanza: Stanza, archive: Archive) -> Iterator[Reach]:
    for backup in stanza.backups:
        moment = datetime.fromtimestamp(backup.stopped, timezone.utc)
        yield Reach(f"backup {backup.label}", backup.timeline, backup.consistent_from, moment)
    for timeline, line in archive.lines.items():
        if line.last is not None and line.arrived is not None:
            yield Reach("the last archived WAL", timeline, line.last.end, line.arrived)


def _past(reach: Reach, left: dict[int, str]) -> bool:
    """Whether that is not part of the latest timeline."""
    there = left.get(reach.timeline)
    return there is None or position(reach.lsn) > position(there)


def _before(target: Target, left: dict[int, str], rival: Reach, began: datetime | None) -> bool:
    """Whether the target lies before both went different ways."""
    there = left.get(rival.timeline)
    if target.kind == "lsn" and there is not None:
        return position(target.value) <= position(there)
    return target.moment is not None and began is not None and target.moment < began


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
