# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The part of the standby that takes over: it promotes itself on proof that it has all of the primary's WAL, or never.

Until then it only looks. It needs nobody to tell it to go on, so that it does not matter who else is killed meanwhile.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._receiver import STREAMS
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from ansible_collections.runbook.postgres.plugins.module_utils._switchover import proof, server
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.notes import ENDED, Note, Notebook
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.request import Limits, Place
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.words import READY, Words, say

WAITING, PROMOTING = "waiting", "promoting"
# How much of what was received last is read for the proof; the primary stops within this of its last word.
_BACK_SECONDS = 30.0

_LOOK = f"""
SELECT pg_catalog.pg_is_in_recovery() AS recovering,
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_get_wal_replay_pause_state() END AS replay,
       {STREAMS} AS streams,
       (SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver) AS timeline,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')) AS segment_bytes
"""  # noqa: S608 - a constant of ours
# Before PostgreSQL 14 there is no word for a pause that is asked for and not yet there.
_LOOK_13 = _LOOK.replace(
    "pg_catalog.pg_get_wal_replay_pause_state()",
    "CASE WHEN pg_catalog.pg_is_wal_replay_paused() THEN 'paused' ELSE 'not paused' END",
)
_WATCH = """
SELECT pg_catalog.pg_is_in_recovery() AS recovering,
       EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver) AS receives,
       pg_catalog.pg_last_wal_receive_lsn()::text AS received,
       pg_catalog.pg_last_wal_replay_lsn()::text AS replayed,
       pg_catalog.pg_last_wal_replay_lsn() >= pg_catalog.pg_last_wal_receive_lsn() AS caught_up
"""
RECOVERING = "SELECT pg_catalog.pg_is_in_recovery() AS recovering"
# A commit that waits for standbys would tell of them and not of this server.
_TEST_WRITE = "BEGIN; SET LOCAL synchronous_commit = local; SELECT pg_catalog.pg_current_xact_id(); COMMIT"
_TIMELINE = """
SELECT ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int
       AS timeline, pg_catalog.pg_current_wal_lsn()::text AS lsn
"""


@dataclass
class Candidate:
    """One attempt; what came of it is for the result, whether it failed or not."""

    place: Place
    words: Words
    limits: Limits
    notes: Notebook
    result: dict[str, Any] = field(default_factory=lambda: {"promoted": False, "durations": {}})

    def run(self) -> None:
        deadline = Deadline(self.limits.candidate)
        with server.session(server.running(self.place), self.words.of("beginning")) as session:
            self._refuse_unfit(session)
            say(session, self.words.of(READY))
            # Also for who starts the parts: where there are no poolers nobody tells the primary that we are here.
            self.notes.write(Note(self.words.token, WAITING, "it was to take over"))
            try:
                self._await_proof(session, deadline)
            except Problem as error:
                self.notes.end(error.sentence)
                raise
            self._promote(session)

    def _refuse_unfit(self, session: Session) -> None:
        (row,) = session.fetch(_LOOK_13 if session.major < 14 else _LOOK)
        if not row["recovering"]:
            raise Refused(
                f"Instance {self.place.title} is no standby, so that it cannot take over: look who is primary."
            )
        if not row["streams"] or row["replay"] != "not paused":
            state = "does not stream" if not row["streams"] else "has its replay paused"
            raise Refused(f"Instance {self.place.title} {state}, so that it cannot take over: mend that first.")
        self.result["timeline_before"] = int(row["timeline"])
        self._segment_bytes = int(row["segment_bytes"])

    def _await_proof(self, session: Session, deadline: Deadline) -> None:
        begun = time.monotonic()
        seen: deque[tuple[float, str]] = deque()
        lacking = "the primary did not stop"
        while not deadline.passed():
            (row,) = session.fetch(_WATCH)
            if not row["recovering"]:
                raise Problem(f"Somebody else promoted instance {self.place.title} meanwhile: look who is primary.")
            now = time.monotonic()
            if not seen or now - seen[-1][0] > 1.0:
                seen.append((now, row["replayed"]))
                while len(seen) > 1 and seen[1][0] < now - _BACK_SECONDS:
                    seen.popleft()
            if not row["receives"]:
                found = proof.Received(self.result["timeline_before"], seen[0][1], row["received"], self._segment_bytes)
                lacking = proof.missing(proof.read(self.place, found), self.words.restore_point, found) or ""
                if not lacking:
                    self.result["lsn"] = row["received"]
                    self._measured("proof_ms", now)
                    self._measured("waited_ms", begun)
                    return
            if self.words.any_off(self.words.heard(session)):
                raise Problem("A pooler told that the switchover is off: nothing was promoted.")
            time.sleep(server.PAUSE)
        raise Problem(f"Nothing was promoted within {self.limits.candidate:.0f} s, because {lacking}.")

    def _promote(self, session: Session) -> None:
        begun = time.monotonic()
        deadline = Deadline(self.limits.promote)
        if not server.until(lambda: bool(session.fetch(_WATCH)[0]["caught_up"]), deadline):
            told = f"did not replay it within {self.limits.promote:.0f} s: nothing was promoted."
            self.notes.end(told)
            raise Problem(f"Instance {self.place.title} has all WAL of the primary and {told}")
        self.notes.write(Note(self.words.token, PROMOTING, "it was to promote itself"))
        # Its own waiting looks ten times a second only.
        session.fetch("SELECT pg_catalog.pg_promote(false)")
        if not server.until(lambda: not session.fetch(RECOVERING)[0]["recovering"], deadline):
            raise Problem(
                f"Instance {self.place.title} was promoted and is still in recovery after {self.limits.promote:.0f} s: "
                "look at its log before anything else is started."
            )
        self._measured("promote_ms", begun)
        self._promoted(session, begun)

    def _promoted(self, session: Session, begun: float) -> None:
        self.result["promoted"] = True
        session.fetch(_TEST_WRITE)
        self._measured("first_write_ms", begun)
        (row,) = session.fetch(_TIMELINE)
        self.result["timeline_after"] = int(row["timeline"])
        self.notes.write(Note(self.words.token, ENDED, f"promoted to timeline {row['timeline']}"))

    def _measured(self, name: str, begun: float) -> None:
        self.result["durations"][name] = round((time.monotonic() - begun) * 1000)


def settle(place: Place, notes: Notebook, limits: Limits) -> str | None:
    """No part is at work here any more; a promotion that one began is waited for."""
    note = notes.read()
    if note is None or note.step not in (WAITING, PROMOTING):
        return None
    if note.step == WAITING:
        notes.end("its part was killed, and nothing was promoted")
        return "unchanged"
    with server.session(server.running(place), "runbook settles") as session:
        if not server.until(lambda: not session.fetch(RECOVERING)[0]["recovering"], Deadline(limits.promote)):
            raise Problem(
                f"Instance {place.title} was told to promote itself and is still in recovery: look at its log, and "
                "start no other primary before it is one or is stopped."
            )
    notes.end("promoted")
    return "promoted"
