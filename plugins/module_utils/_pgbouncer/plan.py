# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What has to be done so that a pooler is as wanted: a pure function of values.

A file is replaced and the process told to read it, which drops nobody. Some
settings count from a start only. They wait for one, which drops clients, and
are reported until it comes; where nobody is connected it comes at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Union

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._files import File, FileChange, changed, removed
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.console import Running
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.host import Host
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.layout import (
    SINGLE_UNIT,
    TEMPLATE,
    TEMPLATE_UNIT,
    USERLIST,
    Process,
)
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.pools import Configuration

# Of a trial these are not the real ones.
_OF_THE_TRIAL = {
    *("auth_file", "listen_addr", "logfile", "peer_id", "pidfile", "so_reuseport", "unix_socket_dir"),
    *("unix_socket_group", "conffile"),
}
# What they are unless the file says otherwise.
_UNSAID = {"listen_addr": "", "peer_id": "0", "so_reuseport": "0", "unix_socket_group": ""}
# Which of those a reload changes.
_RELOADED = {"auth_file", "logfile"}


@dataclass(frozen=True)
class WriteFile:
    change: FileChange

    @property
    def sentence(self) -> str:
        return self.change.sentence


@dataclass(frozen=True)
class ReadUnits:
    sentence: str = "let systemd read its units again"


@dataclass(frozen=True)
class Reload:
    process: Process

    @property
    def sentence(self) -> str:
        return f"reload {self.process.unit}"


@dataclass(frozen=True)
class Start:
    process: Process

    @property
    def sentence(self) -> str:
        return f"start {self.process.unit}"


@dataclass(frozen=True)
class Restart:
    process: Process
    because: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"restart {self.process.unit} for {', '.join(self.because)}"


@dataclass(frozen=True)
class Retire:
    """A process that is no longer wanted stops, now and at boot."""

    process: Process

    @property
    def sentence(self) -> str:
        return f"stop and disable {self.process.unit}"


@dataclass(frozen=True)
class Enable:
    process: Process

    @property
    def sentence(self) -> str:
        return f"enable {self.process.unit}"


Step = Union[WriteFile, ReadUnits, Reload, Start, Restart, Retire, Enable]


@dataclass(frozen=True)
class PoolerPlan(Plan):
    """Also what waits for a restart, by unit."""

    pending: Mapping[str, tuple[str, ...]] = ()  # type: ignore[assignment]

    @property
    def file_changes(self) -> tuple[FileChange, ...]:
        return tuple(step.change for step in self.changes if isinstance(step, WriteFile))


def plan_pooler(
    host: Host,
    wanted: Sequence[Configuration],
    texts: Mapping[Process, str],
    userlist: str,
    read_as: Mapping[Process, Running],
    restart: str = "idle",
    kept: Sequence[Process] = (),
) -> PoolerPlan:
    """`texts` are the files' contents, `read_as` how PgBouncer reads them, where it could be asked, and `kept` the
    processes that go when their clients have gone."""
    processes = [configuration.process for configuration in wanted]
    files, units = _files(host, processes, texts, userlist)
    written = {change.path for change in (*files, *units)}
    surplus = [process for process in host.known_processes if process not in (*processes, *kept)]
    steps: list[Step] = [WriteFile(change) for change in (*files, *units)]
    if units:
        steps.append(ReadUnits())
    steps += [Retire(process) for process in surplus if _lives(host, process)]
    waiting: dict[str, tuple[str, ...]] = {process.unit: ("processes",) for process in kept}
    for configuration in wanted:
        process = configuration.process
        running = host.running.get(process)
        if process.unit not in host.enabled:
            steps.append(Enable(process))
        if running is None:
            steps.append(Start(process))
            continue
        because = pending_settings(running, read_as.get(process), configuration)
        if because and (restart == "always" or (restart == "idle" and running.clients == 0)):
            steps.append(Restart(process, because))
            continue
        if because:
            waiting[process.unit] = (*because, *waiting.get(process.unit, ()))
        if {process.ini, USERLIST} & written or not settled(running, read_as.get(process)):
            steps.append(Reload(process))
    return PoolerPlan(
        changes=tuple(steps),
        pending=waiting,
        before=tuple(_services(host, host.known_processes)),
        after=tuple(f"{process.unit}: enabled, running" for process in processes),
    )


def _files(
    host: Host, processes: Sequence[Process], texts: Mapping[Process, str], userlist: str
) -> tuple[list[FileChange], list[FileChange]]:
    """What becomes of our own files, and of systemd's."""
    wanted = [_file(process, texts[process]) for process in processes]
    wanted.append(File(USERLIST, userlist.encode(), "postgres", "postgres", 0o640, secret=True))
    changes = [changed(file, host.files.get(file.path)) for file in wanted]
    stale = [process.ini for process in host.known_processes if process.number and process not in processes]
    changes += [removed(host.files.get(path)) for path in stale]
    units = []
    if processes[0].number:
        unit = File(TEMPLATE_UNIT, TEMPLATE.encode())
        units.append(changed(unit, host.files.get(TEMPLATE_UNIT)))
    return [change for change in changes if change], [change for change in units if change]


def _file(process: Process, text: str) -> File:
    return File(process.ini, text.encode(), "postgres", "postgres", 0o640)


def _lives(host: Host, process: Process) -> bool:
    return process in host.running or process.unit in host.enabled or process.unit in host.active


def _services(host: Host, known: Sequence[Process]) -> list[str]:
    shown = [process for process in known if process.unit != SINGLE_UNIT or _lives(host, process)]
    return [
        f"{process.unit}: {'enabled' if process.unit in host.enabled else 'disabled'}, "
        f"{'running' if process in host.running else 'stopped'}"
        for process in shown
    ]


def pending_settings(running: Running, read_as: Running | None, configuration: Configuration) -> tuple[str, ...]:
    """Settings that the process has otherwise than the file and will not change by a reload."""
    waiting = [
        name
        for name, unsaid in _own(configuration).items()
        if name in running.settings and not running.settings[name][1] and running.settings[name][0] != unsaid
    ]
    if read_as is not None:
        waiting += [
            name
            for name, (value, reloads) in read_as.settings.items()
            if not reloads and name not in _OF_THE_TRIAL and running.settings.get(name, (value, False))[0] != value
        ]
    tls_reloads = running.settings.get("server_tls_cert_file", ("", True))[1]
    if running.stale_certificates and not tls_reloads:
        waiting.append("certificates")
    return tuple(sorted(waiting))


def _own(configuration: Configuration) -> dict[str, str]:
    """The real values of what the trial had otherwise and only a start changes."""
    from_file = {name: str(value) for name, value in configuration.settings.items()}
    listening = configuration.settings.get("listen_addr", "")
    if isinstance(listening, (list, tuple)):
        from_file["listen_addr"] = ", ".join(str(address) for address in listening)
    known = {**_UNSAID, **from_file}
    return {name: known[name] for name in _OF_THE_TRIAL - _RELOADED - {"conffile"} if name in known}


def settled(running: Running, read_as: Running | None) -> bool:
    """Whether the process runs with what a reload would give it."""
    if read_as is None:
        return True
    for name, (value, reloads) in read_as.settings.items():
        if reloads and name not in _OF_THE_TRIAL and running.settings.get(name, (value, True))[0] != value:
            return False
    return all(running.databases.get(name) == pool for name, pool in read_as.databases.items())
