# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Carries a recovery out, step by step; killed anywhere, the next run finds the mark and goes on from there."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import postmaster
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import exchange
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import SEGMENT_BYTES, Segment, Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.host import Host, data_in
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import (
    EXCHANGING,
    PROVEN,
    Mark,
    write_state,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.plan import Course, Step, state_of
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.proof import Prover
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.tablespaces import make
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.trial import end_orphan
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.unarchived import keep_wal
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.wanted import PAUSED, Wanted

_ARCHIVE_SECONDS = 120.0


class Apply:
    """Knows how each step is taken, and what came of it."""

    def __init__(
        self,
        wanted: Wanted,
        host: Host,
        course: Course,
        prover: Prover,
        listing: Callable[[], Stanza],
        port: int,
    ) -> None:
        self._wanted, self._host, self._course = wanted, host, course
        self._place = wanted.place
        self._prover = prover
        self._listing = listing
        self._port = port
        self._mark = host.mark if course.resumes else None
        # Steps that were taken, for a run that fails on its way.
        self.done: list[Step] = []
        # What of the old directory's WAL could not be read, as sentences; a run that is gone on with knows it as well.
        self.lost: list[str] = list(self.proof.get("lost", ()))
        self.seconds: dict[str, float] = {}

    @property
    def proof(self) -> dict[str, Any]:
        return {} if self._mark is None else dict(self._mark.proof)

    @property
    def old_data(self) -> Path | None:
        """Where the data of before is, once it was moved there."""
        found = None if self._mark is None else self._place.aside(self._mark.stamp)
        return found if found is not None and found.exists() else None

    @property
    def aftermath(self) -> str | None:
        """What is to be said where a run fails after it has stopped the server: how the old data serves again."""
        if self.old_data is not None:
            return exchange.way_back(self._place, self.old_data)
        kinds = {step.kind for step in self.done}
        if "stop" not in kinds or "aside" in kinds or not self._place.data.exists():
            return None
        unit = _debian.unit(self._place.version, self._place.instance)
        return (
            f"Instance {self._wanted.title} was stopped by this run and still is, with its data as it was: "
            f"systemctl start {unit} has it serve again what it served before."
        )

    def carry_out(self) -> None:
        if self._host.restored:
            end_orphan(self._place, "fast")
        steps = {
            "end": lambda: None,
            "archive": self._archive,
            "stop": lambda: exchange.stop(self._place),
            "restore": self._restore,
            "prove": self._prove,
            "aside": self._aside,
            "place": self._put,
            "register": lambda: exchange.register(self._place, self._port),
            "start": self._start,
            "promote": self._promote,
        }
        for step in self._course.plan.changes:
            begun = time.monotonic()
            # Whoever comes second is told from it what this run is at.
            self._prover.progress.tick(step.kind)
            steps[step.kind]()
            self.seconds[step.kind] = round(time.monotonic() - begun, 1)
            self.done.append(step)

    def _archive(self) -> None:
        """The primary hands over what it has written, so that its end is not taken for the archive's."""
        found = postmaster(self._place.data)
        if found is None:
            return
        socket = found.socket(seconds=_ARCHIVE_SECONDS)
        # Where nothing was written since the last switch, a file would be waited for that nobody begins.
        socket.psql("SELECT pg_logical_emit_message(false, 'runbook.postgres', 'switch')")
        name = socket.json("SELECT to_json(pg_walfile_name(pg_switch_wal()))")
        deadline = Deadline(_ARCHIVE_SECONDS)
        while str(socket.json("SELECT to_json(coalesce(last_archived_wal, '')) FROM pg_stat_archiver")) < name:
            if deadline.passed():
                raise Problem(
                    f"Instance {self._wanted.title} does not get its WAL into the archive (it waits for {name}): "
                    "look at pg_stat_archiver, and run this again; nothing else was done."
                )
            time.sleep(0.2)
        for refusal in self._prover.beyond(self._listing(), self._place.data):
            raise Refused(refusal)

    def _restore(self) -> None:
        place, backup = self._place, self._course.backup
        if backup is None:
            raise Problem("No backup was chosen.")
        stanza = self._listing()
        if not place.growing.exists():
            place.data.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            place.growing.mkdir(mode=0o700)
            shutil.chown(place.growing, _debian.SUPERUSER, _debian.SUPERUSER)
        stamp = self._host.mark.stamp if self._host.mark is not None else self._wanted.stamp
        self._mark = Mark(self._wanted.request, stanza.system_identifier, stamp, label=backup.label)
        self._mark.write(place)
        again = (place.restored / "PG_VERSION").exists() or (place.restored / "backup.manifest").exists()
        if not again and place.restored.exists():
            shutil.rmtree(place.restored)
        if not place.restored.exists():
            place.restored.mkdir(mode=0o700)
            shutil.chown(place.restored, _debian.SUPERUSER, _debian.SUPERUSER)
        (place.restored / "postmaster.pid").unlink(missing_ok=True)
        tablespaces, moved = place.tablespaces(stamp), self._course.moves.by_oid
        make(moved.values())
        prover = self._prover
        prover.repository.restore(
            backup, place.restored, tablespaces, moved, again=again, seconds=prover.seconds, progress=prover.progress
        )

    def _prove(self) -> None:
        place, mark = self._place, self._mark
        if mark is None:
            raise Problem("There is nothing that could be proven.")
        stanza = self._listing()
        stopped = self._host.data is not None and postmaster(place.data) is None
        own = self._host.data.control if self._host.data is not None else None
        if stopped and own is not None and own.system_identifier == stanza.system_identifier:
            self.lost = keep_wal(place, stanza, self._first())
        promotes = self._wanted.end != PAUSED
        proof = self._prover.prove(stanza, promotes=promotes, now=time.time(), more_wal=stopped)
        if not self._wanted.archives:
            exchange.silence(place)
        if not promotes:
            exchange.stay_paused(place, self._prover.recovery(proof["followed_timeline"], place.data))
        left = data_in(place)
        standing = None if left is None else left.standing
        last = None if stanza.last is None else stanza.last.name
        told = {**proof, "backup": mark.label, "lost": self.lost}
        self._mark = replace(mark, phase=PROVEN, proof=told, left=standing, archived=last)
        self._mark.write(place)

    def _first(self) -> Segment:
        """Where the replay begins; of no interest is what comes before it."""
        size = SEGMENT_BYTES if self._host.data is None else self._host.data.segment_bytes
        backup = self._course.backup
        return Segment("0" * 24, size) if backup is None else replace(backup.first, bytes=size)

    def _aside(self) -> None:
        if self._mark is None:
            raise Problem("There is nothing that could take the place of the data.")
        self._exchanging(self._mark)
        exchange.aside(self._place, self._mark.stamp)

    def _put(self) -> None:
        if self._mark is not None:
            self._exchanging(self._mark)
        exchange.put(self._place)

    def _exchanging(self, mark: Mark) -> None:
        self._mark = replace(mark, phase=EXCHANGING)
        self._mark.write(self._place)

    def _start(self) -> None:
        place, mark = self._place, self._mark
        exchange.start(place, paused=self._wanted.end == PAUSED)
        if mark is not None:
            state = state_of(self._wanted, mark.proof, mark.system_identifier)
            write_state(place, {**state, "old_data": self.old_data and str(self.old_data)})
        exchange.clear(place)

    def _promote(self) -> None:
        timeline = exchange.promote(self._place)
        state = dict(self._host.state or {})
        state["proof"] = {**dict(state.get("proof", {})), "timeline": timeline}
        write_state(self._place, {**state, "end": self._wanted.end, "timeline": timeline})
