# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The part of a pooler: clients wait from the pause until a server takes their writes, and never without an end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._switchover import pause, server
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.guard import guarded
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.notes import Note, Notebook
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.pause import Repointing
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.remote import Remote
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.request import Limits
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.words import (
    GO,
    HERE,
    OFF,
    PAUSED,
    READY,
    Words,
)

PAUSING = "pausing"
# How long the primary may be without its part's word, which goes a moment before the connection does, and how long one
# that takes writes is believed to stay when its part is not there to ask.
_SILENT_SECONDS = 3.0


@dataclass
class Pooler:
    """One attempt; what came of it is for the result, whether it failed or not."""

    words: Words
    number: int
    limits: Limits
    notes: Notebook
    repoint: Sequence[Repointing]
    address: str
    primary: Remote
    candidate: Remote
    result: dict[str, Any] = field(default_factory=lambda: {"repointed": False, "durations": {}})

    def run(self) -> None:
        self._assemble(Deadline(self.limits.assembly))
        self.notes.write(Note(self.words.token, PAUSING, "its clients were to wait"))
        with guarded(self._outlive):
            begun = time.monotonic()
            try:
                self._pause()
                self._measured("pause_ms", begun)
                if not self._awaited():
                    raise Problem("The candidate's part has ended meanwhile: clients go on with the primary.")
                self.primary.say(self.words.of(PAUSED, self.number))
                self._await_ending(Deadline(self.limits.pooler))
            except Problem:
                self._call_off()
                raise
            finally:
                pause.resume(self.repoint)
                self._measured("waited_ms", begun)
                self.notes.end("its clients go on")
                server.until(lambda: not self._awaited(), Deadline(_SILENT_SECONDS))

    def _assemble(self, deadline: Deadline) -> None:
        """First it is seen that the candidate's part is at work, then the primary's is told that we are."""
        here = self.words.of(HERE, self.number)
        self.candidate.connect(here, 10.0)
        self._hear(self.candidate, READY, deadline, "The candidate's")
        self.primary.connect(here, 10.0)
        self._hear(self.primary, GO, deadline, "The primary's")
        # Who made us wait for the primary's word may be gone by now.
        self._hear(self.candidate, READY, deadline, "The candidate's", at_once=True)

    def _hear(self, remote: Remote, word: str, deadline: Deadline, whose: str, *, at_once: bool = False) -> None:
        while not deadline.passed():
            heard = remote.heard()
            if heard is None:
                break
            if self.words.of(word) in heard:
                return
            if at_once or self.words.any_off(heard):
                break
            time.sleep(server.PAUSE)
        self._call_off()
        server.until(lambda: not self._awaited(), Deadline(_SILENT_SECONDS))
        raise Problem(f"{whose} part did not come to take part, or called it off, before anybody waited.")

    def _pause(self) -> None:
        late = pause.pause(self.repoint, self.limits.pause)
        if late:
            raise Problem(
                f"Transactions in {', '.join(late)} did not end within {self.limits.pause:.0f} s, so that clients were "
                "let go on with the old primary: find the long ones with pg_health_facts and run this again, or raise "
                "switchover_pause_limit."
            )

    def _await_ending(self, deadline: Deadline) -> None:
        """Return when there is a server that takes writes, or when it is time to let clients go on without."""
        name, silent_since = self.words.of(PAUSED, self.number), None
        stopped = False
        while not deadline.passed():
            if self.candidate.writable(name):
                self._lead_to_candidate()
                return
            if stopped:
                if self.primary.writable(name):
                    raise Problem("The candidate did not take over and the old primary is back: clients go on with it.")
            else:
                heard = self.primary.heard()
                stopped = heard is None
                if heard is not None and self.words.of(OFF) in heard:
                    raise Problem("The primary's part called it off: clients go on with it.")
                if heard is None or self.words.of(GO) in heard:
                    silent_since = None
                elif silent_since is None:
                    silent_since = time.monotonic()
                elif time.monotonic() - silent_since > _SILENT_SECONDS:
                    raise Problem("The primary's part has ended and the primary serves on: clients go on with it.")
            time.sleep(server.PAUSE)
        raise Problem(
            f"No server took writes within {self.limits.pooler:.0f} s: clients go on, with errors until one does; run "
            "this again."
        )

    def _outlive(self) -> None:
        """After a kill; the connections there were are the dead process's."""
        self.primary.forget()
        self.candidate.forget()
        name, off = self.words.of(HERE, self.number), self.words.of(OFF, self.number)
        deadline, writable_since = Deadline(self.limits.pooler), None
        while not deadline.passed():
            if self.candidate.writable(name):
                self._lead_to_candidate()
                break
            # A primary's part that still waits for us hears it, and the one that has stopped its server needs not to.
            if not self.primary.writable(off):
                writable_since = None
            elif writable_since is None:
                writable_since = time.monotonic()
            elif time.monotonic() - writable_since > _SILENT_SECONDS:
                self.candidate.say(off)
                break
            time.sleep(server.PAUSE)
        pause.resume(self.repoint)
        self.notes.end("its part was killed, and clients go on")
        server.until(lambda: not self._awaited(), Deadline(_SILENT_SECONDS))

    def _lead_to_candidate(self) -> None:
        begun = time.monotonic()
        pause.lead(self.repoint, self.address)
        self.result["repointed"] = True
        self._measured("repoint_ms", begun)

    def _call_off(self) -> None:
        """Both servers' parts hear it, and need not wait for their limits."""
        for remote in (self.primary, self.candidate):
            remote.say(self.words.of(OFF, self.number))

    def _awaited(self) -> bool:
        """Whether the candidate's part is at work."""
        return self.words.of(READY) in (self.candidate.heard() or ())

    def _measured(self, name: str, begun: float) -> None:
        self.result["durations"][name] = round((time.monotonic() - begun) * 1000)
