# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The proof: what was restored is replayed, and the server is asked where it stopped and more."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Progress
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import archive as archives
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Segment, Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import Archive, beyond
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.replay import Replay
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.repository import Repository
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Target, misses
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.trial import Trial


@dataclass(frozen=True)
class Check:
    """A question of the user's; what was recovered is right when its answer is true."""

    name: str
    database: str
    query: str


@dataclass(frozen=True)
class Prover:
    """Knows what is to be proven of the restored data."""

    place: Place
    repository: Repository
    target: Target
    timeline: int | None
    checks: Sequence[Check] = ()
    seconds: float = 86400.0
    # Whoever looks at how far it is.
    progress: Progress = field(default_factory=lambda: Progress(None))

    def prove(self, stanza: Stanza, *, promotes: bool, now: float, more_wal: bool) -> dict[str, Any]:
        """Where the server stopped and what it is now; anything but the target is a failure."""
        began = time.monotonic()
        asked = self._ask(stanza, self.place.restored)
        for refusal in beyond(self.target, stanza, asked, now, more_wal=more_wal):
            raise Refused(refusal)
        with Trial(self.place) as trial:
            trial.start(self.recovery(asked.timeline, self.place.restored))
            stop = trial.until_stopped(
                self.target, self.seconds, Replay(self.progress, self.target, asked, stanza).look
            )
            wrong = misses(self.target, stop, last_start(stanza, asked))
            if wrong is not None:
                raise Problem(
                    f"{wrong}. The present data was not touched; {self.place.growing} keeps what was restored."
                )
            replayed = time.monotonic() - began
            self.progress.tick("prove")
            if promotes and stop.in_recovery:
                trial.promote()
            told = trial.ended() if promotes else {"timeline": None, "lsn": stop.lsn}
            answers = [self._answer(trial, check) for check in self.checks]
            trial.stop()
        return {
            "stopped_at_lsn": stop.lsn,
            "stopped_at_time": None if stop.moment is None else stop.moment.isoformat(sep=" "),
            "next_transaction_at": None if stop.next_moment is None else stop.next_moment.isoformat(sep=" "),
            "followed_timeline": asked.timeline,
            "timeline": told["timeline"] or asked.timeline,
            "checks": answers,
            "replay_seconds": round(replayed, 1),
        }

    def _ask(self, stanza: Stanza, data: Path) -> Archive:
        return archives.ask(self.repository, stanza, self.target, self.timeline, self.place.version, data)

    def beyond(self, stanza: Stanza, data: Path) -> Iterator[str]:
        """Whether the archive, as it is now, does not reach the target."""
        return beyond(self.target, stanza, self._ask(stanza, data), time.time(), more_wal=False)

    def recovery(self, timeline: int | None, data: Path) -> dict[str, str]:
        """The server's settings for it."""
        return {
            "restore_command": self.repository.restore_command(data),
            **self.target.settings(timeline, "pause"),
        }

    def _answer(self, trial: Trial, check: Check) -> Mapping[str, Any]:
        answer = trial.asked(self.seconds).psql(check.query, check.database).strip()
        if answer != "t":
            raise Problem(
                f"What was restored does not pass '{check.name}' in database {check.database}: the answer is "
                f"'{answer[:80]}' and not true. The present data was not touched; {self.place.growing} keeps what was "
                "restored."
            )
        return {"name": check.name, "database": check.database, "passed": True}


def last_of(stanza: Stanza, archive: Archive) -> Segment | None:
    """The last segment of the timeline, if it is known."""
    line = None if archive.timeline is None else archive.lines.get(archive.timeline)
    last = stanza.last if line is None else line.last
    return last if last is not None and last.timeline == archive.timeline else None


def last_start(stanza: Stanza, archive: Archive) -> str | None:
    last = last_of(stanza, archive)
    return None if last is None else last.start
