# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Questions to the archive that its listing does not answer: timelines, and when the last transaction in it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._history import ancestors
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Segment, Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import Archive
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.lines import before_each, look
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.repository import Repository
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Target

# A segment without the end of a transaction is rare; so many in a row are nothing to wait for.
_LOOK_BACK = 4


def ask(
    repository: Repository, stanza: Stanza, target: Target, timeline: int | None, version: int, data: Path | None
) -> Archive:
    """`data` is any data directory of the cluster; without one pgBackRest hands out no WAL."""
    asked = _asked(repository, stanza, target, timeline, version, data)
    return replace(asked, arrivals=before_each(repository, stanza) if target.kind == "time" else {})


def _asked(
    repository: Repository, stanza: Stanza, target: Target, timeline: int | None, version: int, data: Path | None
) -> Archive:
    number, history = _timeline(repository, stanza, timeline, data)
    if history is None:
        return Archive(number, None)
    dated = data is not None and target.kind == "time"
    ending = _last_ending(repository, stanza, number, version, data) if data is not None and dated else None
    # Of a timeline that somebody named it counts where the archive's end is another's.
    several = number > 1 if timeline is None else stanza.last is not None and stanza.last.timeline != number
    return Archive(number, history, ending, look(repository, stanza) if several else {})


def _timeline(
    repository: Repository, stanza: Stanza, wanted: int | None, data: Path | None
) -> tuple[int, Sequence[tuple[int, str]] | None]:
    """That one, or the latest, which the server would find in the same way."""
    if wanted is not None:
        return wanted, () if wanted == 1 else _history(repository, stanza, wanted, data)
    known = [each.timeline for each in stanza.backups] + ([stanza.last.timeline] if stanza.last else [])
    number = max(known, default=1)
    history = () if number == 1 else _history(repository, stanza, number, data)
    while True:
        later = _history(repository, stanza, number + 1, data)
        if later is None:
            # A backup of a timeline whose beginning was never archived is complete without it.
            return number, () if history is None else history
        number, history = number + 1, later


def _history(
    repository: Repository, stanza: Stanza, timeline: int, data: Path | None
) -> Sequence[tuple[int, str]] | None:
    if data is not None:
        text = repository.history(timeline, data)
    else:
        asked = (repository.stored_history(timeline, number, name) for number, name in stanza.archives)
        text = next((each for each in asked if each is not None), None)
    return None if text is None else ancestors(text)


def _last_ending(repository: Repository, stanza: Stanza, timeline: int, version: int, data: Path) -> datetime | None:
    segment: Segment | None = stanza.last
    # The listing's last is of the highest timeline, which need not be the one that is meant.
    if segment is None or segment.timeline != timeline:
        return None
    for _each in range(_LOOK_BACK):
        found = repository.endings(segment.name, version, data)
        if found:
            return max(each.moment for each in found)
        if found is None or segment.number == 0:
            return None
        segment = segment.before()
    return None
