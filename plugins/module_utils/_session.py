# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The only place that uses the driver: connect, fetch, and never wait for ever.

libpq's blocking calls trust the server to answer, and a server whose processes
are stopped keeps its sockets open without ever doing so. Connections are
therefore non-blocking, and every wait here has a deadline.
"""

from __future__ import annotations

import re
import select
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._connection import where
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import (
    NotPermitted,
    Problem,
    QueryFailed,
    Refused,
    Silent,
    TookTooLong,
    Unreachable,
)

DRIVER_MISSING: str | None = None
try:
    import psycopg2
    import psycopg2.extensions
    import psycopg2.sql
except ImportError:
    # The module says so before it gets as far as using the driver.
    DRIVER_MISSING = traceback.format_exc()

Row = Mapping[str, Any]

# Since this version a server ends sessions that are idle for longer than it is told.
_LIMITS_IDLE_SESSIONS = 14
# How long past its own limits a server may take to say so before it counts as hung.
GRACE_SECONDS = 2.0

# By SQLSTATE: query_canceled, lock_not_available, insufficient_privilege.
_KINDS = {"57014": TookTooLong, "55P03": TookTooLong, "42501": NotPermitted}


def identifier(*names: str) -> Any:
    """A (qualified) SQL identifier, quoted by the driver whatever the name holds."""
    return psycopg2.sql.Identifier(*names)


def compose(template: str, **parts: Any) -> Any:
    """A statement whose {placeholders} are composed by the driver, never by string formatting."""
    return psycopg2.sql.SQL(template).format(**parts)


def literal(value: Any) -> Any:
    """A value inside a statement that takes no bound ones, quoted by the driver."""
    return psycopg2.sql.Literal(value)


def joined(separator: str, parts: Sequence[Any]) -> Any:
    return psycopg2.sql.SQL(separator).join(parts)


class Session:
    """One connection; each statement is its own transaction unless read_only() is open."""

    def __init__(
        self,
        parameters: Mapping[str, Any],
        deadline: Deadline,
        settings: Mapping[str, str] | None = None,
        statement_seconds: float | None = None,
        called: str = "PostgreSQL",
    ) -> None:
        """Connect with these settings of the server; they are part of the start, and so in force from the first
        statement on without a round trip of their own."""
        self._where = f"{called} at {where(parameters)}"
        # After this time we stop believing that the server will answer.
        self._statement_seconds = deadline.remaining() if statement_seconds is None else statement_seconds
        given = dict(parameters)
        if settings is not None:
            limits = {"statement_timeout": _milliseconds(self._statement_seconds), **settings}
            given["options"] = f"{given.get('options', '')} {_startup_options(limits)}".strip()
        try:
            dsn = psycopg2.extensions.make_dsn(
                **{"client_encoding": "UTF8", "fallback_application_name": "runbook.postgres", **given}
            )
        except psycopg2.ProgrammingError as error:
            # It is not the server that says no.
            reason = _one_line(error).removeprefix("invalid dsn: ")
            raise Refused(f"The connection options cannot be used: {reason}.") from error
        try:
            self._connection = psycopg2.connect(dsn, async_=True)
            self._wait(deadline)
        except psycopg2.Error as error:
            raise refused(error, self._where) from error

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._connection.close()

    @property
    def major(self) -> int:
        """The server's major version, which it named when the connection was made."""
        return int(self._connection.server_version) // 10000

    def unhurried(self) -> Session:
        """Let the server end it never for being idle: it waits for hours while programs of ours are at work."""
        if self.major >= _LIMITS_IDLE_SESSIONS:
            self.fetch("SET idle_session_timeout = 0")
        return self

    def limit(self, statement_seconds: float) -> None:
        """Give the server this much time for each statement from here on."""
        self._statement_seconds = statement_seconds
        self.fetch("SELECT set_config('statement_timeout', %s, false)", [_milliseconds(statement_seconds)])

    def fetch(self, query: Any, values: Any = None) -> list[dict[str, Any]]:
        """Run one statement and return its rows as dictionaries; values are bound, not formatted."""
        columns, rows = self._run(query, values)
        return [dict(zip(columns, row)) for row in rows]

    def fetch_tuples(self, query: Any) -> list[tuple[Any, ...]]:
        """The same for a statement whose columns may share a name, or have none of their own."""
        return self._run(query, None)[1]

    def _run(self, query: Any, values: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query, values)
                self._wait(Deadline(self._statement_seconds + GRACE_SECONDS))
                if cursor.description is None:
                    return [], []
                return [column.name for column in cursor.description], cursor.fetchall()
        except psycopg2.Error as error:
            raise self._problem(error) from error
        except UnicodeDecodeError as error:
            raise QueryFailed(f"the answer holds text that is not valid UTF-8 ({error.reason})") from error

    def together(self, statements: Sequence[Any]) -> None:
        """These statements, or none of them, in one round trip: the server takes them as one transaction."""
        self.fetch(joined("; ", statements))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside, or none of them."""
        self.fetch("BEGIN")
        try:
            yield
        except BaseException:
            if not self._connection.closed:
                self.fetch("ROLLBACK")
            raise
        self.fetch("COMMIT")

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Nothing inside ever counts. That is why it may write, also where the session otherwise only reads."""
        self.fetch("BEGIN READ WRITE")
        try:
            yield
        finally:
            if not self._connection.closed:
                self.fetch("ROLLBACK")

    def _problem(self, error: Any) -> Problem:
        return problem(error, self._connection, self._where)

    def _wait(self, deadline: Deadline) -> None:
        """Let the driver work until it is done, but not past the deadline."""
        poller = select.poll()
        descriptor = None
        while True:
            state = self._connection.poll()
            if state == psycopg2.extensions.POLL_OK:
                return
            if descriptor is not None:
                # libpq may change the socket while it tries one address after another.
                poller.unregister(descriptor)
            descriptor = self._connection.fileno()
            poller.register(descriptor, select.POLLIN if state == psycopg2.extensions.POLL_READ else select.POLLOUT)
            if not poller.poll(deadline.remaining() * 1000):
                self._connection.close()
                raise Silent(
                    f"{self._where} takes connections but does not answer: "
                    "look for stopped processes, a full disk or a frozen host."
                )


def problem(error: Any, connection: Any, place: str) -> Problem:
    """What an error of the driver on a connection means for whoever asked."""
    # The driver's own refusals have no SQLSTATE either, and leave the connection as it was.
    if connection.closed or (error.pgcode is None and not isinstance(error, psycopg2.ProgrammingError)):
        return Unreachable(f"{place} closed the connection: {_one_line(error)}.")
    return _KINDS.get(error.pgcode, QueryFailed)(_one_line(error))


def refused(error: Any, place: str) -> Unreachable:
    return Unreachable(f"{place} could not be connected to: {_refusal(error)}.")


def _milliseconds(seconds: float) -> str:
    # Zero would mean no limit at all.
    return str(max(1, int(seconds * 1000)))


def _startup_options(settings: Mapping[str, str]) -> str:
    """Settings as libpq's options keyword wants them: blanks and backslashes in values escaped."""
    return " ".join(f"-c {name}=" + value.replace("\\", "\\\\").replace(" ", "\\ ") for name, value in settings.items())


_ADDRESS = re.compile(r"^connection to server (?:at|on socket) .*? failed: ")


def _refusal(error: Any) -> str:
    """Why each attempt failed, once: libpq tries addresses in turn, each with TLS and without, and adds hints."""
    lines = [line for line in str(error).splitlines() if line.strip() and not line[0].isspace()]
    reasons = [_ADDRESS.sub("", line).replace("FATAL:", "").strip().rstrip(".") for line in lines]
    return "; ".join(dict.fromkeys(reasons)) or "no reason given"


def _one_line(error: Any) -> str:
    """The server's own words without its line breaks, hints and trailing full stop."""
    text = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
    return " ".join(text.split()).rstrip(".")
