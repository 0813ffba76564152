# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The part of the old primary: it stops once every pooler has paused, and cannot start as a primary afterwards.

What marks a standby is put into its data first and its last word into the WAL after that: a candidate that found the
word knows that this server is none that takes writes when it comes back.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _controldata, _debian, _files
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import Postmaster, postmaster
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from ansible_collections.runbook.postgres.plugins.module_utils._switchover import server
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.notes import Note, Notebook
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.request import Limits, Place
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.words import (
    GO,
    HERE,
    OFF,
    PAUSED,
    WAITING,
    Words,
    say,
)

STOPPING, ASKING = "stopping", "asking"
# Poolers look many times in a second whether it is off.
_HEARD_SECONDS = 3.0
_SETTLING_SECONDS = 60.0

_RECOVERING = "SELECT pg_catalog.pg_is_in_recovery() AS recovering"
# By its slot, which is its own; the name under which a standby streams is whatever somebody made it.
_FOLLOWER = """
SELECT r.state, pg_catalog.pg_current_wal_lsn() - r.replay_lsn AS bytes
FROM pg_catalog.pg_stat_replication AS r JOIN pg_catalog.pg_replication_slots AS s ON s.active_pid = r.pid
WHERE s.slot_name = %s
"""


@dataclass
class Primary:
    """One attempt; what came of it is for the result, whether it failed or not."""

    place: Place
    words: Words
    limits: Limits
    notes: Notebook
    candidate: str
    poolers: int
    max_lag_bytes: int
    result: dict[str, Any] = field(default_factory=lambda: {"stopped": False, "durations": {}})

    def run(self) -> None:
        process = server.running(self.place)
        with server.session(process, self.words.of(WAITING)) as session:
            try:
                self._gather(session)
                self._mark()
            except Problem:
                self._call_off(session)
                raise
            # From here on it takes a look at all members to say who is primary: the candidate may have heard it.
            session.fetch("SELECT pg_catalog.pg_create_restore_point(%s)", [self.words.restore_point])
        self._stop(process)

    def _gather(self, session: Session) -> None:
        """Everybody is there, and the clients wait."""
        self._assemble(session)
        self._await_paused(session)
        self._refuse_far(session)

    def _assemble(self, session: Session) -> None:
        if session.fetch(_RECOVERING)[0]["recovering"]:
            raise Refused(
                f"Instance {self.place.title} is a standby, so that it cannot hand over: look who is primary."
            )
        self._refuse_far(session)
        # What is written now does not have to be while everybody waits.
        begun = time.monotonic()
        session.fetch("CHECKPOINT")
        self._measured("checkpoint_ms", begun)
        self._await(session, HERE, self.limits.assembly, "came to take part")

    def _await_paused(self, session: Session) -> None:
        begun = time.monotonic()
        say(session, self.words.of(GO))
        # One that cannot pause says so itself, a moment after its limit.
        self._await(session, PAUSED, self.limits.pause + 5, "paused")
        self._measured("pause_ms", begun)

    def _await(self, session: Session, word: str, seconds: float, told: str) -> None:
        wanted = self.words.all_of(word, self.poolers)
        deadline = Deadline(seconds)
        while True:
            heard = self.words.heard(session)
            if wanted <= heard:
                return
            if self.words.any_off(heard):
                raise Problem("A pooler did not pause in time, so that this server serves on.")
            if deadline.passed():
                missing = len(wanted - heard)
                raise Problem(
                    f"{missing} of {self.poolers} poolers never {told} within {seconds:.0f} s, so that this server "
                    "serves on."
                )
            time.sleep(server.PAUSE)

    def _refuse_far(self, session: Session) -> None:
        found = session.fetch(_FOLLOWER, [self.candidate])
        if not found or found[0]["state"] != "streaming":
            raise Refused(f"{self.candidate} does not stream from here, so that it cannot take over.")
        if found[0]["bytes"] is None or found[0]["bytes"] > self.max_lag_bytes:
            raise Refused(
                f"{self.candidate} has yet to replay {found[0]['bytes']} bytes, more than the {self.max_lag_bytes} for "
                "which clients may be kept waiting: run this when it has caught up."
            )

    def _mark(self) -> None:
        """However it comes back, it comes back as a standby."""
        self.notes.write(Note(self.words.token, STOPPING, f"it was to stop for {self.candidate}"))
        path = self.place.signal
        _files.put(_files.File(path, b"", _debian.SUPERUSER, _debian.SUPERUSER, 0o600), path)

    def _call_off(self, session: Session) -> None:
        """Before anybody was stopped: it goes on as the primary that it is, and those who wait are told."""
        _unmark(self.place, self.notes, "called off before it stopped")
        self._tell_off(session)

    def _tell_off(self, session: Session) -> None:
        try:
            say(session, self.words.of(OFF))
            server.until(lambda: self.words.heard(session) == {self.words.of(OFF)}, Deadline(_HEARD_SECONDS))
        except Unreachable:
            # Nobody can be told by a server that is gone, and they see that it is.
            return

    def _stop(self, process: Postmaster) -> None:
        begun = time.monotonic()
        # As pg_ctl does for a fast stop, without the programs around it, for which clients would wait.
        os.kill(process.pid, signal.SIGINT)
        if not server.until(lambda: server.gone(process), Deadline(self.limits.stop), 0.002):
            raise Problem(
                f"Instance {self.place.title} did not stop within {self.limits.stop:.0f} s: it waits for a standby to "
                "receive all WAL, or for a disk; look at its log."
            )
        self._measured("stop_ms", begun)
        self.result["stopped"] = True
        known = _controldata.parsed(_controldata.printed(self.place.version, self.place.data))
        if known is None or known.state != "shut down":
            raise Problem(
                f"Instance {self.place.title} stopped without being shut down: look at its log; its control data say "
                f"'{known.state if known else 'nothing'}'."
            )
        self.result["lsn"] = known.position.lsn
        # systemd notices by itself, but not before it is asked for another thing.
        server.service("stop", self.place)

    def _measured(self, name: str, begun: float) -> None:
        self.result["durations"][name] = round((time.monotonic() - begun) * 1000)


def _unmark(place: Place, notes: Notebook, told: str) -> None:
    note = notes.read()
    if note is not None and note.unfinished:
        _files.put(None, place.signal)
        notes.end(told)


def settle(place: Place, notes: Notebook, primary_elsewhere: bool) -> str | None:
    """What a part left that ended on its way: it follows the new primary or is primary again; None for nothing."""
    note = notes.read()
    if note is None or note.step not in (STOPPING, ASKING):
        return None
    if note.step == ASKING:
        # Patroni has seen to the server, whatever came of it.
        notes.end("another member is primary" if primary_elsewhere else "Patroni left it the primary")
        return "follow" if primary_elsewhere else "primary"
    recovering = _recovering(place)
    if primary_elsewhere:
        if recovering is False:
            raise Problem(
                f"Instance {place.title} was to stop for another member, which is primary by now, and it takes writes "
                "as well: stop it by hand, and look what was written here since."
            )
        notes.end("another member is primary, which it follows")
        return "follow"
    _files.put(None, place.signal)
    if recovering is None:
        server.service("start", place)
    elif recovering:
        # Somebody, or a boot, has started it meanwhile; nothing was written anywhere since it stopped.
        server.service("restart", place)
    if _recovering(place) is not False:
        raise Problem(
            f"Instance {place.title} was started to be primary again and is not: look at "
            f"{_debian.log_file(place.version, place.instance)}."
        )
    notes.end("primary again")
    return "primary"


def _recovering(place: Place) -> bool | None:
    """What its server says; None where none runs. One that starts or stops is waited for."""
    deadline = Deadline(_SETTLING_SECONDS)
    while True:
        process = postmaster(place.data)
        if process is None:
            return None
        try:
            with server.session(process, "runbook settles") as session:
                return bool(session.fetch(_RECOVERING)[0]["recovering"])
        except Unreachable:
            if deadline.passed():
                raise
        time.sleep(0.2)
