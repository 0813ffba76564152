# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a host's pooler is now: its version, files, services and what the processes run with."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._files import File, observe
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer import versions
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.console import Running, console, snapshot
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.layout import (
    CONFIG_DIRECTORY,
    TEMPLATE_UNIT,
    USERLIST,
    Process,
)
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.versions import Version
from ansible_collections.runbook.postgres.plugins.module_utils._session import DRIVER_MISSING

_SECONDS = 30.0
_OUR_FILE = re.compile(r"process-([1-9][0-9]*)\.ini")


@dataclass(frozen=True)
class Host:
    """A host before anything is done to it."""

    program: str | None
    version: Version
    files: Mapping[Path, File] = field(default_factory=dict)
    # Units that start at boot, and that systemd holds for started.
    enabled: frozenset[str] = frozenset()
    active: frozenset[str] = frozenset()
    running: Mapping[Process, Running] = field(default_factory=dict)

    def port(self, process: Process) -> int:
        """Where one that runs listens, until its next start."""
        return int(self.running[process].settings["listen_port"][0])

    @property
    def known_processes(self) -> tuple[Process, ...]:
        """Those whose files are here, whoever asked for them."""
        numbers = [int(match[1]) for match in (_OUR_FILE.fullmatch(path.name) for path in self.files) if match]
        return (Process(), *(Process(number) for number in sorted(numbers)))


def read_host(wanted: Sequence[Process], stated_version: str | None) -> Host:
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    files = _files(wanted)
    if program is None or DRIVER_MISSING is not None:
        return Host(None, _foreseen_version(stated_version), files)
    host = Host(program, versions.parse(run([program, "--version"], _SECONDS)), files)
    processes = tuple(dict.fromkeys((*host.known_processes, *wanted)))
    units = [process.unit for process in processes]
    running = {process: found for process in processes if (found := _running(process, files)) is not None}
    return Host(program, host.version, files, _units("is-enabled", units), _units("is-active", units), running)


def _files(wanted: Sequence[Process]) -> dict[Path, File]:
    paths = [USERLIST, TEMPLATE_UNIT, CONFIG_DIRECTORY / "pgbouncer.ini", *(process.ini for process in wanted)]
    if CONFIG_DIRECTORY.is_dir():
        paths += sorted(path for path in CONFIG_DIRECTORY.iterdir() if _OUR_FILE.fullmatch(path.name))
    found = {path: observe(path, secret=path == USERLIST) for path in dict.fromkeys(paths)}
    return {path: file for path, file in found.items() if file is not None}


def _foreseen_version(stated: str | None) -> Version:
    if stated:
        return versions.parse(stated)
    known = _packaged()
    if known is not None:
        return known
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return versions.NEWEST
    match = re.search(r'^VERSION_ID="?([0-9]+)', text, re.MULTILINE)
    return versions.OFFERED.get(match[1] if match else "", versions.NEWEST)


def _packaged() -> Version | None:
    """What is installed, or would be, by the host's own package sources; None where they say nothing."""
    try:
        text = run(["apt-cache", "policy", "pgbouncer"], _SECONDS)
    except ProgramFailed:
        return None
    for line in ("Installed", "Candidate"):
        found = re.search(rf"(?m)^\s*{line}: (?:\d+:)?(\d+\.\d+)", text)
        if found:
            return versions.parse(found[1])
    return None


def _units(question: str, units: Sequence[str]) -> frozenset[str]:
    """The units for which systemd says yes. Its exit code is for all of them together."""
    yes = {"enabled", "enabled-runtime", "generated", "active", "activating", "reloading"}
    found = set()
    for unit in units:
        try:
            answer = run(["systemctl", question, unit], _SECONDS)
        except ProgramFailed:
            continue
        if answer.split()[-1:] and answer.split()[-1] in yes:
            found.add(unit)
    return frozenset(found)


def _running(process: Process, files: Mapping[Path, File]) -> Running | None:
    """What it runs with; None when nobody answers at any port that its file has named."""
    for port in _ports(process, files):
        try:
            with console(process.socket_directory, port) as session:
                return snapshot(session, stale_certificates=_stale(process, files))
        except QueryFailed:
            raise
        except Problem:
            continue
    return None


def _ports(process: Process, files: Mapping[Path, File]) -> list[int]:
    """By the sockets that are there: a process that waits for a restart may have another port than its file."""
    directory = Path(process.socket_directory)
    if not alive(process) or not directory.is_dir():
        return []
    ports = [path.name.rpartition(".")[2] for path in directory.glob(".s.PGSQL.*")]
    file = files.get(process.ini)
    stated = re.search(rb"^listen_port\s*=\s*(\d+)", b"" if file is None else file.content, re.MULTILINE)
    likely = int(stated[1]) if stated else 6432
    # Servers of PostgreSQL, which may be beside it, are asked last and in vain.
    return sorted(
        (int(port) for port in ports if port.isdigit()), key=lambda port: (port != likely, port == 5432, port)
    )


def _pid(process: Process) -> int | None:
    try:
        return int(Path(process.pidfile).read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def alive(process: Process) -> bool:
    pid = _pid(process)
    return pid is not None and Path(f"/proc/{pid}").exists()


def _stale(process: Process, files: Mapping[Path, File]) -> bool:
    """Whether a file of TLS that it was told of became another after it started."""
    file = files.get(process.ini)
    started = _started(_pid(process))
    if file is None or started is None:
        return False
    text = file.content.decode(errors="replace")
    paths = re.findall(r"^(?:client|server)_tls_(?:ca|cert|key)_file\s*=\s*(\S.*?)\s*$", text, re.MULTILINE)
    return any(changed_at(Path(path)) > started for path in paths)


def changed_at(path: Path) -> float:
    try:
        return path.stat().st_ctime
    except OSError:
        return 0.0


def _started(pid: int | None) -> float | None:
    """When a process started, by the system's clock."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        booted = re.search(r"^btime (\d+)$", Path("/proc/stat").read_text(), re.MULTILINE)
        # The 22nd field of all, which is the 20th after the name; rounded up, so that what came first is not later.
        ticks = int(after_name[19]) + os.sysconf("SC_CLK_TCK")
        return None if booted is None else int(booted[1]) + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def fingerprint(path: str) -> str | None:
    """Of a certificate, to tell a renewed one; None where there is none yet."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    except OSError:
        return None
