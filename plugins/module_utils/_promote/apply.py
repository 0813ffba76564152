# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The promotion itself, and the proof that it happened: out of recovery, on a timeline of its own, a write commits."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._history import position
from ansible_collections.runbook.postgres.plugins.module_utils._promote.observe import Place, Server, ask, forked
from ansible_collections.runbook.postgres.plugins.module_utils._promote.plan import Promote, Resume
from ansible_collections.runbook.postgres.plugins.module_utils._slots import slots
from ansible_collections.runbook.postgres.plugins.module_utils._slots.keeping import Keep

_PAUSE = 0.1
_SIGNAL = "promote"
_KEEP_SECONDS = 5.0
# Written and committed, and nothing stays of it. A commit that waits for standbys would tell of them, not of this one.
_TEST_WRITE = """
SET synchronous_commit = local;
SELECT pg_logical_emit_message(true, 'runbook.postgres', 'a test write');
"""


@dataclass
class Promoting:
    """One promotion; what came of it is told whether it failed or not."""

    place: Place
    before: Server
    deadline: Deadline
    result: dict[str, Any]
    durations: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.result["durations"] = self.durations

    def carry_out(self, changes: tuple[Any, ...]) -> None:
        """Without any the server is primary already, and a run that was killed may not have come to the proof."""
        began = time.monotonic()
        if not changes:
            self.result.update(standing(self.place, self.before))
        for change in changes:
            if isinstance(change, Resume):
                self._resume()
            elif isinstance(change, Keep):
                self._keep(change)
            elif isinstance(change, Promote):
                self._promote()
        self._write()
        self._measured("total_ms", began)

    def _write(self) -> None:
        began = time.monotonic()
        try:
            self.place.socket(max(self.deadline.remaining(), 5.0)).psql(_TEST_WRITE)
        except Problem as error:
            raise Problem(
                f"Instance {self.place.title} is primary and takes no write: {error.sentence.rstrip('.')}; look at its "
                "log, and start no other primary."
            ) from error
        self._measured("first_write_ms", began)

    def _resume(self) -> None:
        began = time.monotonic()
        self.place.socket().psql("SELECT pg_wal_replay_resume()")
        wanted = position(self.before.reach)
        # One that replays late does so until it is promoted.
        late = self.before.settings.get("recovery_min_apply_delay", 0)
        while not late and position(ask(self.place).replayed or "0/0") < wanted:
            if self.deadline.passed():
                raise Problem(
                    f"Instance {self.place.title} was let go on and did not replay up to {self.before.reach} in time: "
                    "nothing was promoted; look what holds it, and run this again."
                )
            time.sleep(_PAUSE)
        self._measured("resumed_ms", began)

    def _keep(self, change: Keep) -> None:
        """That who comes back later needs a copy then is worth less than that somebody takes writes now."""
        began = time.monotonic()
        try:
            slots.keep(self.place.socket(_KEEP_SECONDS), change)
        except Problem as error:
            self.result["keeps_wal_for"] = []
            why = f"keeps no WAL for {' and '.join(change.slots)}, who may need a copy to come back: {error.sentence}"
            told = f"Instance {self.place.title} {why}"
            self.result["warnings"] = [*self.result.get("warnings", ()), told]
        self._measured("kept_ms", began)

    def _promote(self) -> None:
        began = time.monotonic()
        seconds = max(int(self.deadline.remaining()), 1)
        try:
            self.place.socket(seconds + 5.0).psql(f"SELECT pg_promote(true, {seconds})")
        except QueryFailed:
            # Another promotion may have been quicker; what counts is what the server is.
            if ask(self.place).in_recovery:
                raise
        after = ask(self.place)
        if after.in_recovery:
            raise self._pending(seconds)
        self._measured("promoted_ms", began)
        self.result.update(standing(self.place, after))
        self._prove(after)

    def _pending(self, seconds: int) -> Problem:
        """The server promotes itself only if it finds the file when it comes to it, which may be hours from now."""
        begun = f"Instance {self.place.title} was told to promote itself and is in recovery after {seconds} s"
        try:
            (self.place.data / _SIGNAL).unlink()
        except FileNotFoundError:
            return Problem(f"{begun}: look at its log, start no other primary, and run this again.")
        return Problem(
            f"{begun}: that was taken back, so that it stays a standby; look at its log, and run this again."
        )

    def _prove(self, after: Server) -> None:
        left = forked(self.place, after.timeline)
        if left is None or left[0] != self.before.timeline or after.timeline <= self.before.timeline:
            raise Problem(
                f"Instance {self.place.title} takes writes on timeline {after.timeline}, which did not come from "
                f"{self.before.timeline}: somebody else was at it; find out who before clients are led here."
            )

    def _measured(self, name: str, began: float) -> None:
        self.durations[name] = round((time.monotonic() - began) * 1000)


def standing(place: Place, server: Server) -> dict[str, Any]:
    """Of a primary: its timeline, and where that began."""
    left = forked(place, server.timeline)
    return {"timeline": server.timeline, "promoted_lsn": left[1] if left else None}
