# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""PgBouncer's console over its socket: what a process runs with, as values.

It lets the user it runs as in without a password. To be that user for the
moment of connecting is enough, and no program has to be started for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._command import account
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

SYSTEM_USER = "postgres"

# What counts of a pool: the rest of SHOW DATABASES tells the moment.
_POOL_COLUMNS = (
    *("host", "port", "database", "force_user", "pool_size", "min_pool_size", "reserve_pool", "reserve_pool_size"),
    *("pool_mode", "max_connections", "max_client_connections"),
)


@dataclass(frozen=True)
class Running:
    """What a process has loaded, and how many clients it serves."""

    # Value, and whether a reload can change it.
    settings: Mapping[str, tuple[str, bool]]
    databases: Mapping[str, Mapping[str, str]]
    clients: int = 0
    # A change of certificates that it takes a restart to notice.
    stale_certificates: bool = field(default=False)


@contextmanager
def console(
    socket_directory: str, port: int, seconds: float = 5.0, answer_seconds: float | None = None
) -> Iterator[Session]:
    """Connected within `seconds`; each command is answered within those, or within `answer_seconds`."""
    parameters = {"host": socket_directory, "port": port, "user": "pgbouncer", "dbname": "pgbouncer"}
    with as_system_user():
        session = Session(parameters, Deadline(seconds), None, answer_seconds, called="PgBouncer")
    with session:
        yield session


def snapshot(session: Session, *, stale_certificates: bool = False) -> Running:
    settings = {row["key"]: (_text(row["value"]), row["changeable"] == "yes") for row in session.fetch("SHOW CONFIG")}
    databases = {
        row["name"]: {name: _text(row[name]) for name in _POOL_COLUMNS if name in row}
        for row in session.fetch("SHOW DATABASES")
    }
    clients = sum(row["database"] != "pgbouncer" for row in session.fetch("SHOW CLIENTS"))
    return Running(settings, databases, clients, stale_certificates)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


@contextmanager
def as_system_user() -> Iterator[None]:
    """The socket's other end sees the effective user of whoever connects."""
    who = account(SYSTEM_USER, "pgbouncer")
    if who is None:
        yield
        return
    own = os.geteuid()
    os.seteuid(who.uid)
    try:
        yield
    finally:
        os.seteuid(own)
