# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""WAL that is known to be damaged, held against what a target needs: its replay would end before it, hours later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from ansible_collections.runbook.postgres.plugins.module_utils._history import position
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Backup, Segment, Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import Archive
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Target


def damaged(known: Mapping[int, frozenset[str]], archives: Sequence[tuple[int, str]], size: int) -> tuple[Segment, ...]:
    """Those that no repository has whole, as far as that is known; `archives` as the stanza has them."""
    torn: dict[int, set[str]] = {}
    for number, name in archives:
        its = (each.partition("/") for each in known.get(number, ()))
        torn.setdefault(number, set()).update(segment for archive, _slash, segment in its if archive == name)
    common = set.intersection(*torn.values()) if torn else set()
    return tuple(Segment(each, size) for each in sorted(common))


def against(target: Target, stanza: Stanza, archive: Archive, backup: Backup) -> str | None:
    """Why that target cannot be reached from this backup."""
    first = next((each for each in _between(stanza, archive, backup) if _needed(each, target, archive, backup)), None)
    if first is None:
        return None
    start = (
        f"The target, {target}, cannot be reached from backup {backup.label}: it needs WAL segment {first.name}, which "
        "the last proof of the repository found to be damaged. "
    )
    ways = "Where it was mended since, have that proven (runbook.postgres.backup_physical) and run this again; else"
    if first.number <= backup.last.number:
        return f"{start}{ways} choose another backup, this one cannot be restored without it."
    return (
        f"{start}{ways} choose a backup that was taken after it, or a target before {first.start} of timeline "
        f"{first.timeline}, the latest that is left."
    )


def perhaps(target: Target, stanza: Stanza, archive: Archive, backup: Backup) -> Iterator[str]:
    """What may be in the way, of a target that only the replay finds."""
    found = [each for each in _between(stanza, archive, backup) if not _needed(each, target, archive, backup)]
    if found and (target.undated or target.moment is not None):
        yield (
            f"WAL segment {found[0].name} is damaged, as the last proof of the repository found: {target} is reached "
            f"only where it is before {found[0].start} of timeline {found[0].timeline}."
        )


def _between(stanza: Stanza, archive: Archive, backup: Backup) -> Iterator[Segment]:
    """From the backup's beginning on, along the timeline that is followed."""
    timeline = backup.timeline if archive.timeline is None else archive.timeline
    left = {number: position(lsn) // stanza.segment_bytes for number, lsn in archive.history or ()}
    begun = max(left.values(), default=0)
    for each in sorted(stanza.damaged, key=lambda one: one.number):
        # The segment in which a timeline begins is read from that one and not from the one before.
        on_the_way = begun <= each.number if each.timeline == timeline else each.number < left.get(each.timeline, 0)
        if on_the_way and each.number >= backup.first.number:
            yield each


def _needed(segment: Segment, target: Target, archive: Archive, backup: Backup) -> bool:
    if segment.number <= backup.last.number or target.kind == "latest":
        return True
    if target.kind == "lsn":
        return position(segment.start) <= position(target.value)
    arrived: datetime | None = archive.arrivals.get(segment.name)
    # All that is in the one before was written until that had arrived.
    return target.moment is not None and arrived is not None and arrived < target.moment
