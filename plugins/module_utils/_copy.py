# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The only place that streams rows: COPY, which the driver offers on blocking connections alone.

A blocking call has no deadline of its own. A watcher beside it therefore cuts
the socket when nothing has moved for too long, which ends the call with an error.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._connection import where
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Silent
from ansible_collections.runbook.postgres.plugins.module_utils._session import problem, refused

with contextlib.suppress(ImportError):
    # The module says so before it gets as far as using the driver.
    import psycopg2

# A stream that does not move for so long is given up, and so is another statement.
STALL_SECONDS = 300.0
STATEMENT_SECONDS = 3600.0

# The driver hands over single rows; programs and hashes want more at a time.
PORTION = 1 << 18

# Text that is written today has to mean the same where and when it is read: independent
# of the server's settings, of the role's and of the time zone. Row-level security is an
# error rather than a filter, and a scan always begins with the first row.
EXACT = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "xmloption": "content",
    "row_security": "off",
    "synchronize_seqscans": "off",
    "search_path": "pg_catalog",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}


class CopyConnection:
    """A connection that copies rows out and in; begin() and commit() are explicit."""

    def __init__(
        self, parameters: Mapping[str, Any], connect_seconds: int = 10, stall_seconds: float = STALL_SECONDS
    ) -> None:
        self._where = f"PostgreSQL at {where(parameters)}"
        self._stall_seconds = stall_seconds
        self._deadline = Deadline(stall_seconds)
        given = {"connect_timeout": connect_seconds, "fallback_application_name": "runbook.postgres", **parameters}
        try:
            self._connection = psycopg2.connect(**{**given, "client_encoding": "UTF8"})
        except psycopg2.Error as error:
            raise refused(error, self._where) from error
        # Transactions begin where begin() says so, not with the first statement.
        self._connection.autocommit = True
        self.fetch(
            "SELECT set_config(name, value, false) FROM unnest(%s, %s) AS wanted (name, value)",
            [list(EXACT), list(EXACT.values())],
        )

    def __enter__(self) -> CopyConnection:
        return self

    def __exit__(self, *exc_info: object) -> None:
        # What was not committed is rolled back by the server.
        self._connection.close()

    def fetch(self, query: Any, values: Any = None) -> list[dict[str, Any]]:
        with self._watched(STATEMENT_SECONDS, None), self._connection.cursor() as cursor:
            cursor.execute(query, values)
            if cursor.description is None:
                return []
            columns = [column.name for column in cursor.description]
            return [dict(zip(columns, row)) for row in cursor.fetchall()]

    def copy_out(self, query: Any, write: Callable[[bytes], None], abort: Callable[[], None]) -> int:
        """Hand over what COPY says, in portions, and return the number of rows.

        abort() has to end a write() that is stuck.
        """
        taker = _Taker(write, self._moved)
        with self._watched(self._stall_seconds, abort, taker), self._connection.cursor() as cursor:
            cursor.copy_expert(query, taker)
            taker.flush()
            return int(cursor.rowcount)

    def copy_in(self, query: Any, read: Callable[[int], bytes], abort: Callable[[], None]) -> int:
        giver = _Giver(read, self._moved)
        with self._watched(self._stall_seconds, abort, giver), self._connection.cursor() as cursor:
            cursor.copy_expert(query, giver, PORTION)
            return int(cursor.rowcount)

    # -- bounded waits -------------------------------------------------------

    def _moved(self) -> None:
        self._deadline = Deadline(self._stall_seconds)

    @contextlib.contextmanager
    def _watched(self, seconds: float, abort: Callable[[], None] | None, user: _User | None = None) -> Iterator[None]:
        """Errors as ours; the user's own error, raised within the driver's call, as it was."""
        self._deadline = Deadline(seconds)
        done, overdue = threading.Event(), threading.Event()
        watcher = threading.Thread(target=self._watch, args=(done, overdue, abort), daemon=True)
        watcher.start()
        try:
            yield
        except (psycopg2.Error, OSError) as error:
            raise self._meaning(error, overdue, user) from error
        finally:
            done.set()
            watcher.join()

    def _watch(self, done: threading.Event, overdue: threading.Event, abort: Callable[[], None] | None) -> None:
        while not done.wait(min(1.0, self._deadline.remaining())):
            if self._deadline.passed():
                overdue.set()
                self._cut()
                if abort is not None:
                    abort()
                return

    def _cut(self) -> None:
        """Ends the driver's wait at once, which closing under its feet would not."""
        with contextlib.suppress(OSError, psycopg2.Error):
            line = socket.socket(fileno=os.dup(self._connection.fileno()))
            with line:
                line.shutdown(socket.SHUT_RDWR)

    def _meaning(self, error: Exception, overdue: threading.Event, user: _User | None) -> BaseException:
        if overdue.is_set():
            return Silent(
                f"{self._where} did not go on for too long: look for stopped processes, a full disk or a frozen host."
            )
        if user is not None and user.error is not None:
            return user.error
        if isinstance(error, psycopg2.Error):
            return problem(error, self._connection, self._where)
        return error


class _User:
    """What the driver calls back; it remembers its own error, which the driver would replace."""

    error: BaseException | None = None


class _Taker(_User):
    def __init__(self, write: Callable[[bytes], None], moved: Callable[[], None]) -> None:
        self._write, self._moved = write, moved
        self._held = bytearray()

    def write(self, data: bytes) -> int:
        self._held += data
        if len(self._held) >= PORTION:
            self.flush()
        return len(data)

    def flush(self) -> None:
        try:
            self._write(bytes(self._held))
        except BaseException as error:
            self.error = error
            raise
        self._held.clear()
        self._moved()


class _Giver(_User):
    def __init__(self, read: Callable[[int], bytes], moved: Callable[[], None]) -> None:
        self._read, self._moved = read, moved

    def read(self, size: int) -> bytes:
        try:
            data = self._read(size)
        except BaseException as error:
            self.error = error
            raise
        self._moved()
        return data
