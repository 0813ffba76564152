# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Does PgBouncer take a configuration? It has no way to ask but to start with it.

A process of its own starts with the new file, in a private directory, without
an address to listen at and away from the real one's socket. It tells at once
what it refuses, which a reload would only write to a log, and how it reads each
value, against which the running process is held.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, ProgramFailed, account
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.console import (
    SYSTEM_USER,
    Running,
    console,
    snapshot,
)
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.pools import Configuration

SECONDS = 10.0


def try_out(program: str, configuration: Configuration, userlist: bytes) -> Running:
    """How PgBouncer reads this configuration; refused in its own words when it does not."""
    who = account(SYSTEM_USER, "pgbouncer")
    with _private_directory() as place:
        settings = {
            **configuration.settings,
            "auth_file": str(place / "userlist"),
            "listen_addr": "",
            "logfile": str(place / "log"),
            "pidfile": str(place / "pid"),
            "unix_socket_dir": str(place),
            "unix_socket_group": "",
            **({"so_reuseport": "0", "peer_id": "0"} if configuration.peers else {}),
        }
        alone = replace(configuration, settings=settings, peers={})
        for name, content in (("ini", alone.text().encode()), ("userlist", userlist)):
            _write(place / name, content, None if who is None else who.uid)
        running = Program([program, str(place / "ini")], become=who)
        try:
            return _ask(running, place, int(settings.get("listen_port", 6432)))
        except ProgramFailed as error:
            raise Refused(
                f"PgBouncer does not take the configuration that it was to get: {reason(error.words)}. "
                "It goes on with the one it has."
            ) from error
        finally:
            running.end()


_STAMP = re.compile(r"^.*? (?:ERROR|FATAL|WARNING) ")
_PLACE = re.compile(r" in configuration \([^)]*\)(, stopping loading)?")
# What only follows from the words before.
_CONSEQUENCES = {"cannot load config file", "TLS setup failed", "config file loading failed"}


def reason(words: str) -> str:
    """Why, without the stamps of a log and the names of files that were there for the trial."""
    told = [_PLACE.sub("", _STAMP.sub("", line)).rstrip(".") for line in words.split(" / ")]
    return "; ".join(dict.fromkeys(line for line in told if line not in _CONSEQUENCES)) or "it gave no reason"


def _ask(running: Program, place: Path, port: int) -> Running:
    until = time.monotonic() + SECONDS
    while True:
        try:
            with console(str(place), port) as session:
                return snapshot(session)
        except Unreachable:
            # It has ended, and says why, or it is not listening yet.
            if running.ended or time.monotonic() > until:
                running.finish(0.1)
                raise
            time.sleep(0.02)


@contextmanager
def _private_directory() -> Iterator[Path]:
    """Where only the pooler's user, and root, can go."""
    place = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    try:
        who = account(SYSTEM_USER, "pgbouncer")
        if who is not None:
            os.chown(place, who.uid, who.gid)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _write(path: Path, content: bytes, uid: int | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if uid is not None:
            os.fchown(descriptor, uid, -1)
        file.write(content)
