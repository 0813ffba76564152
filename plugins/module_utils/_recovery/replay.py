# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How far WAL is replayed, of what there is until the target where that is known."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._history import position
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Measured, Progress
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import Archive
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Stop, Target


class Replay:
    """Counted from where the server was when it first answered: before that it says nothing."""

    def __init__(self, progress: Progress, target: Target, archive: Archive, stanza: Stanza) -> None:
        self._progress, self._target = progress, target
        last = stanza.last
        self._end = target.value if target.kind == "lsn" else None
        if target.kind == "latest" and last is not None and last.timeline == archive.timeline:
            self._end = last.end
        self._first: Stop | None = None

    def look(self, stop: Stop | None) -> None:
        self._progress.tick("replay", lambda: self._measure(stop))

    def _measure(self, stop: Stop | None) -> Measured:
        if stop is None or stop.lsn is None:
            return None, None
        first = self._first = self._first or stop
        done = position(stop.lsn) - position(first.lsn or stop.lsn)
        if self._end is not None:
            return done, position(self._end) - position(first.lsn or stop.lsn)
        share = self._share_of_time(first, stop)
        return done, done / share if share else None

    def _share_of_time(self, first: Stop, stop: Stop) -> float | None:
        """Of a moment nobody knows where in the WAL it is, and each transaction says when it ended."""
        wanted = self._target.moment
        if wanted is None or first.moment is None or stop.moment is None or wanted <= first.moment:
            return None
        return (stop.moment - first.moment) / (wanted - first.moment)
