# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The other half of a drill: a logical backup, restored on a new server of its own, asked, measured, and removed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.runbook.postgres.plugins.module_utils import _debian, _files
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, said
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import seclusion
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.evidence import (
    Checked,
    Objectives,
    Restored,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.rehearsal import (
    READ,
    answered,
    timed,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.traces import REQUEST, begin, remove
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Mark, Place
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.proof import Check
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.trial import Trial, end_orphan

_INITDB_SECONDS = 600.0
_START_SECONDS = 300.0
# The programs that restore run as root, and are the superuser to this server.
_HBA = f"local all {_debian.SUPERUSER} peer map=drill\n"
_IDENT = "".join(f"drill {each} {_debian.SUPERUSER}\n" for each in ("root", _debian.SUPERUSER))


class Dump(Protocol):
    """A logical backup, as those who know them give it to a drill."""

    @property
    def id(self) -> str: ...

    @property
    def database(self) -> str: ...

    @property
    def bytes(self) -> int: ...

    @property
    def taken(self) -> float:
        """What was committed then is in it, in seconds since 1970."""

    @property
    def major(self) -> int: ...

    @property
    def system_identifier(self) -> str | None: ...

    def restore(self, parameters: Mapping[str, Any], fetched: Path) -> list[str]:
        """Into the server of these libpq parameters, by way of that directory; what was compared."""


@dataclass(frozen=True)
class Unpacking:
    """One dump, where it is restored, and what it is asked."""

    place: Place
    dump: Dump
    settings: Mapping[str, str]
    checks: Sequence[Check]
    objectives: Objectives
    seconds: float
    stamp: str

    def run(self, found: Restored) -> None:
        """Into `found` goes what came of it, as far as it got; nothing stays on the host."""
        start = time.monotonic()
        found.backup = {"id": self.dump.id, "bytes": self.dump.bytes}
        found.taken = self.dump.taken
        try:
            with timed(found.took, "a new server"):
                self._make()
            with Trial(self.place, self.settings, _HBA, self._over) as trial:
                with timed(found.took, "restore"):
                    trial.start(None)
                    found.server_version = trial.until_up(_START_SECONDS)
                    found.checks += self._restored(trial)
                name = f"database {self.dump.database} can be read"
                socket = trial.asked(self.seconds)
                found.checks.append(answered(socket, Check(name, self.dump.database, READ), None))
                found.rto_seconds = round(time.monotonic() - start, 1)
                with timed(found.took, "questions"):
                    found.checks += [answered(socket, check) for check in self.checks]
                trial.stop()
        except (Problem, OSError) as error:
            found.failure = said(error)
        finally:
            self._clean_up(found)

    def _clean_up(self, found: Restored) -> None:
        try:
            with timed(found.took, "clean-up"):
                remove(self.place, self.stamp)
        except (Problem, OSError) as error:
            found.failure = " ".join(each for each in (found.failure, said(error)) if each)

    @property
    def _over(self) -> dict[str, str]:
        """No WAL of this server is for anybody, and what it says is read by programs, which read English."""
        return {"archive_mode": "off", "ident_file": str(self.place.ident), "lc_messages": "C"}

    def _make(self) -> None:
        place = self.place
        begin(place, Mark(REQUEST, self.dump.system_identifier or "", self.stamp, label=self.dump.id))
        argv = [str(_debian.bin_directory(place.version) / "initdb"), "-D", str(place.restored)]
        argv += [f"--username={_debian.SUPERUSER}", "--encoding=UTF8", "--locale=C", "--auth=peer", "--data-checksums"]
        _debian.run_as_postgres(argv, _INITDB_SECONDS)
        _files.put(_files.File(place.ident, _IDENT.encode(), _debian.SUPERUSER, _debian.SUPERUSER, 0o600), place.ident)

    def _restored(self, trial: Trial) -> Iterator[Checked]:
        parameters = {"host": str(self.place.sockets), "port": seclusion.PORT, "user": _debian.SUPERUSER}
        with _no_longer_than(trial, self.seconds):
            told = self.dump.restore(parameters, self.place.growing / "fetched")
        for each in told:
            yield Checked(f"backup {self.dump.id}: {each}", passed=True)


@contextlib.contextmanager
def _no_longer_than(trial: Trial, seconds: float) -> Iterator[None]:
    """What restores waits for the server, so that it is the server that is ended."""
    overdue = threading.Event()

    def end() -> None:
        overdue.set()
        end_orphan(trial.place)

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    except Problem as error:
        if overdue.is_set():
            raise Problem(f"It was not restored within {seconds:.0f} s: give more timeout.") from error
        raise
    finally:
        timer.cancel()
