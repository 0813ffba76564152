# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Takes a plan's steps. What a reload does not bring about is taken back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._files import FileChange
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.console import Running, console, snapshot
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.host import Host, alive
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.layout import Process
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.plan import (
    Enable,
    PoolerPlan,
    ReadUnits,
    Reload,
    Restart,
    Retire,
    Start,
    Step,
    WriteFile,
    settled,
)

_SECONDS = 120.0
_SETTLING_SECONDS = 5.0


def apply(plan: PoolerPlan, host: Host, read_as: Mapping[Process, Running], port: int) -> None:
    written: list[FileChange] = []
    for step in plan.changes:
        try:
            _take(step, host, read_as, port)
        except Problem:
            if isinstance(step, Reload):
                _take_back(written, host, plan.changes)
            raise
        if isinstance(step, WriteFile):
            written.append(step.change)


def _take(step: Step, host: Host, read_as: Mapping[Process, Running], port: int) -> None:
    if isinstance(step, WriteFile):
        step.change.apply()
    elif isinstance(step, ReadUnits):
        _systemctl("daemon-reload")
    elif isinstance(step, Reload):
        _reload(step.process, _live_port(host, step.process, port))
        _expect(step.process, _live_port(host, step.process, port), read_as.get(step.process), "reloaded")
    elif isinstance(step, Enable):
        _systemctl("enable", step.process.unit)
    elif isinstance(step, Retire):
        _systemctl("disable", step.process.unit)
        _stop(step.process, _live_port(host, step.process, port))
    elif isinstance(step, (Start, Restart)):
        if isinstance(step, Restart):
            _stop(step.process, _live_port(host, step.process, port))
        # Debian 11 keeps a unit for started when its process has ended, and would not start it.
        _systemctl("restart", step.process.unit)
        _expect(step.process, port, read_as.get(step.process), "started")


def _stop(process: Process, port: int) -> None:
    """Return when it is gone. Debian 11 starts and stops it by a script, which does not always find it."""
    _systemctl("stop", process.unit)
    if not alive(process):
        return
    with contextlib.suppress(Unreachable), console(process.socket_directory, port) as session:
        # It ends without an answer.
        session.fetch("SHUTDOWN")
    until = time.monotonic() + _SETTLING_SECONDS
    while alive(process):
        if time.monotonic() > until:
            raise Problem(f"{process.unit} was stopped, but the process in {process.pidfile} goes on: end it by hand.")
        time.sleep(0.05)


def _live_port(host: Host, process: Process, port: int) -> int:
    """Where it listens until its next start."""
    running = host.running.get(process)
    return int(running.settings["listen_port"][0]) if running is not None else port


def _reload(process: Process, port: int) -> None:
    # PgBouncer answers RELOAD whether it took the file or not: what it runs with afterwards tells.
    with console(process.socket_directory, port) as session:
        session.fetch("RELOAD")


def _expect(process: Process, port: int, read_as: Running | None, done: str) -> None:
    """Return when the process answers and runs with what was read beforehand."""
    until = time.monotonic() + _SETTLING_SECONDS
    while True:
        try:
            with console(process.socket_directory, port) as session:
                if settled(snapshot(session), read_as):
                    return
            reason = "does not run with the new configuration"
        except Unreachable as error:
            reason = f"does not answer ({error.sentence.rstrip('.')})"
        if time.monotonic() > until:
            raise Problem(
                f"{process.unit} was {done} and {reason}: look into its log, "
                f"{process.own_settings['logfile']}, for what it says."
            )
        time.sleep(0.05)


def _take_back(written: Sequence[FileChange], host: Host, steps: Sequence[Step]) -> None:
    for change in reversed(written):
        change.undo()
    for step in steps:
        if isinstance(step, Reload):
            running = host.running[step.process]
            _reload(step.process, int(running.settings["listen_port"][0]))


def _systemctl(*words: str) -> None:
    try:
        run(["systemctl", *words], _SECONDS)
    except ProgramFailed as error:
        unit = words[-1]
        raise Problem(
            f"systemctl {' '.join(words)} failed: {error.sentence} Its words are in 'journalctl -u {unit}'."
        ) from error
