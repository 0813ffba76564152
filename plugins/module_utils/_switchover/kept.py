# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The servers' parts where Patroni keeps the cluster: it is asked once clients wait, and stops and promotes by itself.

Here nothing is marked, stopped or promoted. The poolers' part is the same: it looks for a server that takes writes, and
does not mind who made it one.
"""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._patroni_api import Api, told
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import postmaster
from ansible_collections.runbook.postgres.plugins.module_utils._receiver import STREAMS
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from ansible_collections.runbook.postgres.plugins.module_utils._switchover import server
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.candidate import RECOVERING, Candidate
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.notes import Note
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.primary import ASKING, Primary
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.words import WAITING

# It looks once a second for what came of it, for at least twenty times, before it answers.
ANSWER_SECONDS = 60.0
_REJOIN_SECONDS = 120.0
_LOOK_AGAIN = 0.2
_FOLLOWS = f"SELECT pg_catalog.pg_is_in_recovery() AND {STREAMS} AS follows"


class KeptPrimary(Primary):
    """The leader's: Patroni beside it stops it and starts it again as a standby."""

    def __init__(self, api: Api, *part: Any) -> None:
        super().__init__(*part)
        self._api = api

    def run(self) -> None:
        with server.session(server.running(self.place), self.words.of(WAITING)) as session:
            try:
                leader = self._leader()
                self._gather(session)
                # For a run that comes after one that was stopped; there is nothing of it to be undone.
                self.notes.write(Note(self.words.token, ASKING, f"Patroni was to have {self.candidate} take over"))
                self._ask(leader)
            except Problem as error:
                self.notes.end(error.sentence)
                self._tell_off(session)
                raise
        self.result["stopped"] = True
        self._await_following()

    def _leader(self) -> str:
        """Its own name, before anybody waits."""
        seen = told(self._api)
        if seen.leader is None or seen.paused:
            state = "is paused" if seen.paused else "has no leader"
            raise Refused(f"Patroni {state} by now, so that nobody can take over: see with patronictl list.")
        return seen.leader

    def _ask(self, leader: str) -> None:
        begun = time.monotonic()
        answer = self._api.post("switchover", {"leader": leader, "candidate": self.candidate})
        self._measured("switchover_ms", begun)
        if answer.status != 200:
            raise Problem(
                f"Patroni at {self._api.place} did not have {self.candidate} take over (HTTP {answer.status}: "
                f"{str(answer.content).strip().rstrip('.')}): look into journalctl -u patroni on both."
            )

    def _await_following(self) -> None:
        begun = time.monotonic()
        if not server.until(self._follows, Deadline(_REJOIN_SECONDS), _LOOK_AGAIN):
            raise Problem(
                f"Instance {self.place.title} is not back as a standby that streams {_REJOIN_SECONDS:.0f} s after "
                f"{self.candidate} took over: look into journalctl -u patroni there."
            )
        self._measured("rejoin_ms", begun)

    def _follows(self) -> bool:
        process = postmaster(self.place.data)
        if process is None:
            return False
        try:
            with server.session(process, "runbook looks") as session:
                return bool(session.fetch(_FOLLOWS)[0]["follows"])
        except Unreachable:
            # It is on its way, or was stopped once more.
            return False


class KeptCandidate(Candidate):
    """The one that Patroni is to promote: it is seen that this is done, and said to those who wait."""

    def _await_proof(self, session: Session, deadline: Deadline) -> None:
        """Patroni has its own, by the position that the leader left with its lock."""
        while session.fetch(RECOVERING)[0]["recovering"]:
            if self.words.any_off(self.words.heard(session)):
                raise Problem("A pooler told that the switchover is off.")
            if deadline.passed():
                raise Problem(f"Patroni did not promote it within {self.limits.candidate:.0f} s.")
            time.sleep(server.PAUSE)

    def _promote(self, session: Session) -> None:
        self._promoted(session, time.monotonic())
