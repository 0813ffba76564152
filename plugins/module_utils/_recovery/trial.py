# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The restored data under a server that nobody but us can reach: replayed, asked, promoted, examined, stopped.

It takes the instance's own settings and lets nothing out: no address, no archive,
no subscription, no scheduled job. What it makes on its new timeline is marked to
be archived, which the instance does once it runs in its place.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _debian, _files
from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, account
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, QueryFailed, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import postmaster
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import seclusion
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.damage import Damaged, of_replay
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Stop, Target
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.waldump import endings_from

_POLL_SECONDS = 0.2
_STOP_SECONDS = 600.0
_PROMOTE_SECONDS = 300
# What statement_timeout can hold, in milliseconds.
_LONGEST_SECONDS = 2e6
_HBA = "local all postgres peer\n"

STOPPED_AT = """
SELECT json_build_object(
  'in_recovery', pg_is_in_recovery(),
  'paused', pg_is_in_recovery() AND pg_is_wal_replay_paused(),
  'lsn', pg_last_wal_replay_lsn(),
  'moment', (extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000000)::bigint)
"""
# The number alone has no epoch: it is the newest such number that was given out.
XID_STATUS = """
WITH seen AS (SELECT txid_snapshot_xmax(txid_current_snapshot()) AS next, {xid}::numeric AS wanted),
     whole AS (SELECT CASE WHEN wanted >= 4294967296 THEN wanted
                           WHEN wanted <= mod(next, 4294967296) THEN (next / 4294967296) * 4294967296 + wanted
                           WHEN next >= 4294967296 THEN (next / 4294967296 - 1) * 4294967296 + wanted
                           ELSE wanted END AS xid, next FROM seen)
SELECT to_json(CASE WHEN xid >= next THEN 'not begun' ELSE txid_status(xid::bigint) END) FROM whole
"""
ENDED = """
SELECT json_build_object(
  'in_recovery', pg_is_in_recovery(),
  'timeline', ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int,
  'lsn', pg_current_wal_lsn())
"""


@dataclass
class Trial:
    """One server on the restored data; used as a context it never outlives its module's normal end."""

    place: Place
    # Over those of the instance; nothing that would let others in can be among them.
    settings: Mapping[str, str] = field(default_factory=dict)
    # Who may come in, and what goes over the seclusion where the data is no recovered cluster's.
    hba: str = _HBA
    over: Mapping[str, str] = field(default_factory=dict)
    program: Program | None = None

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.program is not None:
            end_orphan(self.place)
            self.program.end()
        shutil.rmtree(self.place.sockets, ignore_errors=True)

    @property
    def socket(self) -> _debian.Socket:
        return _debian.Socket(seclusion.PORT, str(self.place.sockets), seconds=60.0, read_only=True)

    def asked(self, seconds: float) -> _debian.Socket:
        """For questions of the user's and for those that read tables: how long they may last is the user's to say."""
        return replace(self.socket, seconds=min(seconds, _LONGEST_SECONDS))

    def start(self, recovery: Mapping[str, str] | None) -> None:
        """With these settings of recovery; None is a server as it starts when there is nothing to recover."""
        place = self.place
        shutil.rmtree(place.sockets, ignore_errors=True)
        place.sockets.mkdir(mode=0o700)
        _own(place.sockets)
        _write(place.hba, self.hba)
        _write(place.settings, seclusion.settings_text(place))
        if recovery is not None and not place.recovery_signal.exists():
            asked = _files.File(place.recovery_signal, b"", _debian.SUPERUSER, _debian.SUPERUSER, 0o600)
            _files.put(asked, place.recovery_signal)
        argv = [str(_debian.bin_directory(place.version) / "postgres"), "-D", str(place.restored)]
        last = {**(recovery or {}), **self.over}
        argv += seclusion.arguments(place, last, seclusion.limits_of(place), self.settings)
        self.program = Program(argv, become=account(_debian.SUPERUSER, "postgresql"))

    def until_up(self, seconds: float) -> str:
        """Which version it is, once it answers; for a server that has nothing to recover."""
        deadline = Deadline(seconds)
        while True:
            if self.program is not None and self.program.ended:
                raise Problem(
                    f"The server in {self.place.growing} did not start: {_telling(self.program.words(8000))}."
                )
            with contextlib.suppress(Unreachable):
                return str(self.socket.json("SELECT to_json(current_setting('server_version'))"))
            if deadline.passed():
                raise Problem(f"The server in {self.place.growing} does not answer within {seconds:.0f} s.")
            time.sleep(_POLL_SECONDS)

    def until_stopped(self, target: Target, seconds: float, look: Callable[[Stop | None], None]) -> Stop:
        """Where it is once it replays no more; a server that gives up says why in its own words."""
        deadline = Deadline(seconds)
        while True:
            self._still_runs(target)
            stop = self._look()
            look(stop)
            if stop is not None and (stop.paused or not stop.in_recovery):
                return self._with_more(target, stop)
            if deadline.passed():
                where = "does not answer yet" if stop is None else f"is at {stop.place}"
                raise Problem(
                    f"The restored server did not get to {target} in {seconds:.0f} s and {where}: give more timeout."
                )
            time.sleep(_POLL_SECONDS)

    def _look(self) -> Stop | None:
        try:
            return Stop.of(self.socket.json(STOPPED_AT))
        except (Unreachable, QueryFailed):
            # It starts; or it has just left recovery, between two of the question's functions.
            return None

    def _still_runs(self, target: Target) -> None:
        if self.program is not None and self.program.ended:
            words = _telling(self.program.words(8000))
            kind = Damaged if of_replay(words) else Problem
            raise kind(
                f"The restored server gave up before {target}: {words}. The present data was not touched; what was "
                f"restored is kept in {self.place.growing} for the next run. Choose another target or backup."
            )

    def _with_more(self, target: Target, stop: Stop) -> Stop:
        if target.kind == "xid" and stop.paused:
            asked = XID_STATUS.format(xid=_debian.literal(target.value))
            return replace(stop, xid_status=self.socket.json(asked))
        if target.kind == "time" and stop.lsn is not None:
            return replace(stop, next_moment=self._next_moment(stop.lsn))
        return stop

    def _next_moment(self, lsn: str) -> Any:
        """The first transaction that it left out ended then; it was read, so its WAL is here."""
        wal = self.place.restored / "pg_wal"
        timelines = sorted({int(each.name[:8], 16) for each in wal.iterdir() if len(each.name) == 24}, reverse=True)
        for timeline in timelines:
            found = endings_from(self.place.version, wal, timeline, lsn)
            if found:
                return found[0].moment
        return None

    def promote(self) -> None:
        self.socket_for_orders.psql(f"SELECT pg_promote(true, {_PROMOTE_SECONDS})")

    @property
    def socket_for_orders(self) -> _debian.Socket:
        return replace(self.socket, read_only=False, seconds=_PROMOTE_SECONDS + 10.0)

    def ended(self) -> dict[str, Any]:
        """What it is after its promotion."""
        said = dict(self.socket.json(ENDED))
        if said["in_recovery"]:
            raise Problem("The restored server was promoted and still says that it is in recovery: run this again.")
        return said

    def stop(self) -> None:
        """With a checkpoint, so that nothing is to be replayed twice."""
        end_orphan(self.place, mode="fast")
        if self.program is not None:
            self.program.end()
            self.program = None


def end_orphan(place: Place, mode: str = "immediate") -> None:
    """Stop what runs on the restored data, whoever started it."""
    running = postmaster(place.restored)
    if running is None:
        return
    how = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, how)
    deadline = Deadline(_STOP_SECONDS)
    while postmaster(place.restored) is not None:
        if deadline.passed():
            raise Problem(f"The server on {place.restored} does not stop: look what process {running.pid} waits for.")
        time.sleep(0.1)


def _write(path: Path, text: str) -> None:
    _files.put(_files.File(path, text.encode(), _debian.SUPERUSER, _debian.SUPERUSER, 0o600), path)


def _own(path: Path) -> None:
    shutil.chown(path, _debian.SUPERUSER, _debian.SUPERUSER)


def _telling(words: str) -> str:
    """The server's last complaints."""
    told = [line.strip().rstrip(".") for line in words.splitlines()]
    loud = [line.partition(":")[2].strip() for line in told if line.startswith(("FATAL:", "PANIC:", "ERROR:"))]
    return "; ".join(dict.fromkeys(loud[-3:])) or (told[-1] if told else "its log says nothing")
