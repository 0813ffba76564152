# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the server says of its rules: which files, whether they can be read, and since when they are in force."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._debian import Socket, config_directory, run_as_postgres
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, QueryFailed, Refused, Unreachable

# A server says what is wrong with the maps from this version on.
MAPS_SINCE = 15

# These views read the files as they are on the disk, whatever the server has in force. That a hostssl
# rule matches nobody while TLS is off is no reason for the server not to load it.
_ERRORS = """
SELECT line_number AS line, error FROM pg_hba_file_rules
WHERE error IS NOT NULL AND error NOT LIKE '%cannot match because%'
"""
_MAP_ERRORS = "SELECT line_number AS line, error FROM pg_ident_file_mappings WHERE error IS NOT NULL"
_BASICS = """
'major', current_setting('server_version_num')::int / 10000,
'hba_file', current_setting('hba_file'),
'ident_file', current_setting('ident_file'),
'loaded', extract(epoch FROM pg_conf_load_time())
"""
_LIST = "(SELECT coalesce(json_agg(each ORDER BY line), '[]') FROM ({}) AS each)"

# What pg_isready ends with when the server answers that it is starting or stopping.
_NOT_YET = 1

STOPPED, RUNNING, CLOSED = "stopped", "running", "closed"


@dataclass(frozen=True)
class Fault:
    """A line that the server cannot read."""

    file: str
    line: int
    error: str

    @property
    def words(self) -> str:
        return f"line {self.line} of {self.file}: {self.error}"


@dataclass(frozen=True)
class Server:
    """`closed` is one that runs and does not let us in; why is in `reason`."""

    state: str
    loaded: float = 0.0
    hba_file: str = ""
    ident_file: str = ""
    major: int = 0
    faults: tuple[Fault, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Way:
    """How to reach the server of one instance."""

    version: int
    instance: str
    port: int
    seconds: float

    @property
    def directory(self) -> Path:
        return config_directory(self.version, self.instance)

    @property
    def socket(self) -> Socket:
        return Socket(self.port, seconds=self.seconds, read_only=True)

    @property
    def name(self) -> str:
        return f"{self.version}/{self.instance}"

    def look(self) -> Server:
        """The server as it is now; each look is a new login."""
        if not self._somebody_listens():
            return Server(STOPPED)
        try:
            answer = self._ask()
        except Unreachable as error:
            return Server(CLOSED, reason=error.sentence)
        faults = [Fault("pg_hba.conf", each["line"], each["error"]) for each in answer.get("faults", ())]
        faults += [Fault("pg_ident.conf", each["line"], each["error"]) for each in answer.get("map_faults", ())]
        server = Server(RUNNING, float(answer["loaded"]), answer["hba_file"], answer["ident_file"], answer["major"])
        self._refuse_another(server)
        return Server(RUNNING, server.loaded, server.hba_file, server.ident_file, server.major, tuple(faults))

    def wait_while_starting(self) -> None:
        """A server that starts lets nobody in, which says nothing about its rules."""
        deadline = Deadline(self.seconds)
        while self._starts():
            if deadline.passed():
                raise Problem(
                    f"Instance {self.name} is starting or stopping and takes no logins yet: repeat when it does."
                )
            time.sleep(0.2)

    def _starts(self) -> bool:
        try:
            run(["pg_isready", "-q", "-h", self.socket.directory, "-p", str(self.port)], self.seconds)
        except ProgramFailed as error:
            return error.code == _NOT_YET
        return False

    def _somebody_listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(self.seconds)
            try:
                line.connect(f"{self.socket.directory}/.s.PGSQL.{self.port}")
            except OSError:
                return False
            return True

    def _ask(self) -> Mapping[str, Any]:
        parts = [_BASICS, "'faults', " + _LIST.format(_ERRORS)]
        if self.version >= MAPS_SINCE:
            parts.append("'map_faults', " + _LIST.format(_MAP_ERRORS))
        try:
            return dict(self.socket.json(_object(*parts)))
        except QueryFailed:
            # A file is missing, or it is another instance, of a version that lacks what was asked for.
            return dict(self.socket.json(_object(_BASICS)))

    def _refuse_another(self, server: Server) -> None:
        if server.major != self.version:
            raise Refused(
                f"Port {self.port} of this host is served by PostgreSQL {server.major}, "
                f"not by instance {self.name}: correct version, instance or port."
            )
        for path, name in ((server.hba_file, "pg_hba.conf"), (server.ident_file, "pg_ident.conf")):
            if Path(path).resolve() != (self.directory / name).resolve():
                raise Refused(
                    f"The server on port {self.port} reads {path}, not {self.directory / name}: correct instance "
                    "or port, or take its settings hba_file and ident_file back."
                )


def _object(*parts: str) -> str:
    return f"SELECT json_build_object({', '.join(parts)})"


def log_in(parameters: Mapping[str, Any], seconds: float) -> None:
    """A login with libpq's own keywords, as the system's postgres on this host."""
    words = [f"{name}='{_escaped(str(value))}'" for name, value in parameters.items()]
    argv = ["psql", "-XAtqw", "-d", " ".join(words), "-c", "SELECT 1"]
    run_as_postgres(argv, seconds + 2, environment={"PGCONNECT_TIMEOUT": str(max(2, int(seconds)))})


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
