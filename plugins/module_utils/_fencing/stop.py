# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The instance stopped on its own host, and kept from starting: by systemd, by Debian's tools, at boot."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _debian, _files, _promoters
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._fencing import processes
from ansible_collections.runbook.postgres.plugins.module_utils._fencing.evidence import FENCED, Evidence
from ansible_collections.runbook.postgres.plugins.module_utils._fencing.locks import (
    DISABLED,
    Disable,
    Forget,
    Found,
    Mask,
    PutBack,
    Record,
    StopServer,
    Unmask,
    WriteRecord,
    plan_stop,
)
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import postmaster

_SECONDS = 60.0
_IMMEDIATE_SECONDS, _KILL_SECONDS = 30.0, 10.0


@dataclass
class Stop:
    host: str
    state: str
    version: int
    instance: str
    seconds: float
    data: Path
    # The one it is to listen on, and those on which it was seen to.
    ports: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Stop:
        version, instance = params["version"], params["instance"]
        _debian.refuse_unfit_name(instance)
        if not (_debian.config_directory(version, instance) / "postgresql.conf").exists():
            raise Refused(
                f"This host has no instance {version}/{instance}, so that nothing is known of its server: "
                "give the version and instance that run here."
            )
        data = Path(configured(version, instance, "data_directory"))
        stop = cls(params["host"], params["state"], version, instance, float(params["timeout"]), data)
        stop.ports.add(int(configured(version, instance, "port")))
        return stop

    @property
    def title(self) -> str:
        return f"instance {self.version}/{self.instance} on this host"

    @property
    def unit(self) -> str:
        return _debian.unit(self.version, self.instance)

    @property
    def _record(self) -> Path:
        return Path("/etc/postgresql-common") / f"runbook-fenced-{self.version}-{self.instance}"

    @property
    def _start(self) -> Path:
        return _debian.config_directory(self.version, self.instance) / "start.conf"

    def observe(self) -> Found:
        server = postmaster(self.data)
        if server is not None:
            self.ports.add(server.port)
        start = _files.observe(self._start)
        return Found(
            processes.of_server(self.data),
            processes.attached(self.data),
            processes.listening(self.ports),
            None if start is None else start.content.decode(errors="surrogateescape"),
            run(["systemctl", "show", "--property=LoadState", self.unit], _SECONDS).strip() == "LoadState=masked",
            _read(self._record),
            tuple(_promoters.running()),
        )

    def plan(self, found: Found) -> Plan:
        return plan_stop(found, self.state)

    def take(self, change: Any) -> None:
        if isinstance(change, WriteRecord):
            _files.put(_files.File(self._record, change.record.text().encode()), self._record)
        elif isinstance(change, Disable):
            self._write_start(DISABLED)
        elif isinstance(change, StopServer):
            self._stop()
        elif isinstance(change, Mask):
            run(["systemctl", "mask", "--quiet", self.unit], _SECONDS)
        elif isinstance(change, PutBack):
            self._write_start(change.start)
        elif isinstance(change, Unmask):
            run(["systemctl", "unmask", "--quiet", self.unit], _SECONDS)
        elif isinstance(change, Forget):
            _files.put(None, self._record)

    def _write_start(self, text: str | None) -> None:
        if text is None:
            _files.put(None, self._start)
            return
        content = text.encode(errors="surrogateescape")
        _files.put(_files.File(self._start, content, _debian.SUPERUSER, _debian.SUPERUSER), self._start)

    def _stop(self) -> None:
        """Each way after the one before it did not end it: by its unit, fast, at once, and killed."""
        with contextlib.suppress(ProgramFailed):
            run(["systemctl", "stop", self.unit], self.seconds)
        for number, seconds in ((signal.SIGINT, self.seconds), (signal.SIGQUIT, _IMMEDIATE_SECONDS)):
            server = postmaster(self.data)
            if server is not None:
                processes.end([server.pid], number, seconds)
        if not processes.end(processes.of_server(self.data), signal.SIGKILL, _KILL_SECONDS):
            raise Problem(
                f"A process of {self.title} cannot be ended, not even by SIGKILL: take the power from the host, "
                "and have the proof of that (method: command)."
            )

    def evidence(self, found: Found) -> Evidence:
        seen = {
            "running": len(found.running),
            "attached": found.attached,
            "listening": sorted(found.listening),
            "start": _debian.start_of(found.start),
            "masked": found.masked,
            "data_directory": str(self.data),
        }
        return Evidence(seen, tuple(self._missing(found)))

    def _missing(self, found: Found) -> list[str]:
        if self.state != FENCED:
            return [] if found.record is None else [f"{self.title} is still fenced: run this again."]
        checks = (
            (found.running, f"{len(found.running)} processes of {self.title} run: stop them by hand."),
            (found.attached, f"{found.attached} processes still use the memory of {self.title}: find and end them."),
            (
                found.listening,
                f"Port {min(found.listening, default=0)} of this host is listened on: see who does, by ss.",
            ),
            (not found.disabled, f"{self._start} does not say disabled, so that Debian's tools would start it."),
            (not found.masked, f"{self.unit} is not masked, so that it could be started: look who unmasked it."),
        )
        return [sentence for found_it, sentence in checks if found_it]


def configured(version: int, instance: str, name: str) -> str:
    """As PostgreSQL itself reads its files, all of them: a proof about another directory would be none."""
    file = _debian.config_directory(version, instance) / "postgresql.conf"
    argv = [str(_debian.bin_directory(version) / "postgres"), "-C", name, "-c", f"config_file={file}"]
    try:
        value = _debian.run_as_postgres(argv, _SECONDS).strip()
    except ProgramFailed as error:
        raise Refused(
            f"Where instance {version}/{instance} has its data and port cannot be read from {file} "
            f"({error.words or error.sentence}): mend that, or fence the host by another method."
        ) from error
    if not value:
        raise Refused(f"{file} says nothing of {name}: mend that, or fence the host by another method.")
    return value


def _read(path: Path) -> Record | None:
    found = _files.observe(path)
    if found is None:
        return None
    try:
        told = json.loads(found.content)
        return Record(told["start"], bool(told["masked"]))
    except (ValueError, KeyError, TypeError):
        raise Refused(
            f"{path} is not as it was written: remove it once you know how the instance is to start."
        ) from None
