# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The server of this host, as its superuser over the socket; and its service."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, account, run
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import Postmaster, postmaster
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.request import Place

_CONNECT_SECONDS = 10.0
_STATEMENT_SECONDS = 30.0
_START_SECONDS = 300.0
PAUSE = 0.01


@contextmanager
def as_postgres() -> Iterator[None]:
    """The other end of a socket, and libpq that reads a key, see the effective user of whoever connects."""
    who = account(_debian.SUPERUSER, "postgresql")
    if who is None:
        yield
        return
    own = os.geteuid()
    os.seteuid(who.uid)
    try:
        yield
    finally:
        os.seteuid(own)


def running(place: Place) -> Postmaster:
    server = postmaster(place.data)
    if server is None:
        raise Refused(
            f"Instance {place.title} does not run, so that it cannot take part in a switchover: start it first."
        )
    return server


@contextmanager
def session(server: Postmaster, name: str) -> Iterator[Session]:
    parameters: dict[str, Any] = {
        "host": server.socket_directory or _debian.SOCKET_DIRECTORY,
        "port": server.port,
        "user": _debian.SUPERUSER,
        "dbname": "postgres",
        "application_name": name,
    }
    with as_postgres():
        opened = Session(parameters, Deadline(_CONNECT_SECONDS), {}, statement_seconds=_STATEMENT_SECONDS)
    with opened:
        yield opened


def until(reached: Callable[[], bool], deadline: Deadline, pause: float = PAUSE) -> bool:
    """Whether it came to be before the deadline."""
    while not reached():
        if deadline.passed():
            return False
        time.sleep(pause)
    return True


def gone(server: Postmaster) -> bool:
    """By its process: the file that it keeps goes a moment earlier."""
    try:
        os.kill(server.pid, 0)
    except ProcessLookupError:
        return True
    return _zombie(server.pid)


def _zombie(pid: int) -> bool:
    """One that nobody waits for, as in a container without an init, has ended all the same."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        return file.read().rpartition(")")[2].split()[:1] == ["Z"]
    return False


def service(verb: str, place: Place) -> None:
    try:
        run(["systemctl", verb, place.unit], _START_SECONDS)
    except ProgramFailed as error:
        log = _debian.log_file(place.version, place.instance)
        raise Problem(f"systemctl {verb} {place.unit} failed ({error.sentence.rstrip('.')}): look at {log}.") from error
