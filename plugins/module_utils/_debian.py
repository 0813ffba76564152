# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where Debian keeps an instance of PostgreSQL, and its programs run as its superuser.

The server is asked through psql over its socket, where the system's postgres
is let in without a password: a host needs no driver and no secret for that.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, account, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Refused, Silent, Unreachable

SUPERUSER = "postgres"
SOCKET_DIRECTORY = "/var/run/postgresql"
# What start.conf may say of whether an instance starts by itself; the third word is disabled.
AUTO, MANUAL = "auto", "manual"
# With which Debian's tools make what is for others to read: the directories of the configuration.
UMASK = 0o022

# Debian's unit names and file names take these without escaping.
_INSTANCE = re.compile(r"[A-Za-z0-9_.]+")
# psql's exit codes for a connection that is lost or never was, and for a statement that failed.
_NO_CONNECTION, _BAD_STATEMENT = 2, 3
# The server gives up before we give up on it.
_GRACE_SECONDS = 2.0


def refuse_unfit_name(instance: str) -> None:
    if not _INSTANCE.fullmatch(instance):
        raise Refused(
            f"Instance '{instance}' cannot be a systemd unit of Debian's: use letters, digits, underscores and dots."
        )


def config_directory(version: int, instance: str) -> Path:
    return Path("/etc/postgresql") / str(version) / instance


def settings_file(version: int, instance: str, name: str) -> Path:
    """One of the files in conf.d, by its name without the ending."""
    return config_directory(version, instance) / "conf.d" / f"{name}.conf"


def data_directory(version: int, instance: str) -> Path:
    """Where it is unless somebody wanted it elsewhere."""
    return Path("/var/lib/postgresql") / str(version) / instance


def bin_directory(version: int) -> Path:
    return Path("/usr/lib/postgresql") / str(version) / "bin"


def log_file(version: int, instance: str) -> Path:
    return Path("/var/log/postgresql") / f"postgresql-{version}-{instance}.log"


def unit(version: int, instance: str) -> str:
    return f"postgresql@{version}-{instance}.service"


def run_as_postgres(
    argv: Sequence[str],
    seconds: float,
    *,
    text: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """What a program prints, run as postgres; `text` is its standard input, and the place for secrets."""
    become = account(SUPERUSER, "postgresql")
    # What libpq would take from whoever runs us must not lead it elsewhere.
    others = {name: None for name in os.environ if name.startswith("PG")}
    return run(argv, seconds, text=text, become=become, environment={**others, **(environment or {})})


def unfinished_mark(version: int, instance: str) -> Path:
    """There while pg_instance makes an instance, in a directory of root's: those of instances belong to postgres."""
    return Path("/etc/postgresql-common") / f"runbook-unfinished-{version}-{instance}"


def unfinished(version: int, instance: str) -> bool:
    """Whether what is there of an instance was left by a run that was killed, and pg_instance will make it anew.

    The last thing in the making is that the instance starts at boot.
    """
    start = config_directory(version, instance) / "start.conf"
    finished = start.exists() and re.search(r"^\s*auto\b", start.read_text(errors="replace"), re.MULTILINE)
    return unfinished_mark(version, instance).exists() and not finished


def reads_away_mark(version: int, instance: str) -> Path:
    """There while readers are kept from a standby that is behind: whoever sends readers to it again takes it away."""
    return Path("/etc/postgresql-common") / f"runbook-reads-away-{version}-{instance}"


def start_of(text: str | None) -> str:
    """The word of start.conf; without the file Debian takes it for automatic."""
    words = [line.split("#")[0].strip() for line in (text or "").splitlines()]
    return next((word for word in words if word), AUTO)


@dataclass(frozen=True)
class Socket:
    """The way to one instance's server as its superuser."""

    port: int = 5432
    directory: str = SOCKET_DIRECTORY
    seconds: float = 30.0
    # In check mode the server itself refuses to write.
    read_only: bool = False

    @property
    def place(self) -> str:
        return f"PostgreSQL on this host's port {self.port}"

    def psql(self, sql: str, database: str = "postgres") -> str:
        """What these statements print, without headings; the first that fails ends it."""
        argv = ["psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", "-h", self.directory, "-p", str(self.port)]
        argv += ["-U", SUPERUSER, "-f", "-"]
        limit = max(1, int(self.seconds * 1000))
        options = f"-c statement_timeout={limit} -c standard_conforming_strings=on"
        options += " -c default_transaction_read_only=on" if self.read_only else ""
        environment = {
            # As an argument a name with an equals sign would be taken for connection keywords.
            "PGDATABASE": database,
            "PGCLIENTENCODING": "UTF8",
            "PGAPPNAME": "runbook.postgres",
            "PGCONNECT_TIMEOUT": str(max(2, int(self.seconds))),
            "PGOPTIONS": options,
        }
        try:
            return run_as_postgres(argv, self.seconds + _GRACE_SECONDS, text=sql, environment=environment)
        except ProgramFailed as error:
            raise self._problem(error) from error

    def json(self, sql: str, database: str = "postgres") -> Any:
        """The one JSON value that these statements print; None when they print nothing."""
        printed = self.psql(sql, database).strip()
        return json.loads(printed) if printed else None

    def _problem(self, error: ProgramFailed) -> Exception:
        reason = _reason(error.words)
        if error.code == _NO_CONNECTION:
            return Unreachable(f"{self.place} could not be connected to: {reason}.")
        if error.code == _BAD_STATEMENT:
            return QueryFailed(f"{self.place} answered: {reason}.")
        if error.code is None:
            return Silent(f"{self.place} does not answer: look for stopped processes, a full disk or a frozen host.")
        return error


def psql_json(sql: str, port: int = 5432, *, database: str = "postgres", seconds: float = 30.0) -> Any:
    """One call as postgres over the socket: the JSON value that the statements return."""
    return Socket(port, seconds=seconds).json(sql, database)


def literal(text: str) -> str:
    """A value inside SQL that psql reads; the connection takes backslashes as they are."""
    if "\0" in text:
        raise Refused("A value holds a zero byte, which PostgreSQL cannot store: leave it out.")
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    if not name or "\0" in name:
        raise Refused("A name is empty or holds a zero byte, which PostgreSQL cannot store: give another.")
    return '"' + name.replace('"', '""') + '"'


_PREFIX = re.compile(
    r"^(psql:(\S+:\d+:)? ?)?(error: )?(connection to server on socket .*? failed: )?((ERROR|FATAL): +)?",
    re.IGNORECASE,
)


def _reason(words: str) -> str:
    """Why, in the server's own words and without psql's way of telling it."""
    lines = [_PREFIX.sub("", line).strip() for line in words.split(" / ")]
    return "; ".join(dict.fromkeys(line.rstrip(".") for line in lines if line)) or "no reason given"
