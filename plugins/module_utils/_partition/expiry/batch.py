# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One batch of rows: chosen and locked, written and verified, and only then deleted, in one transaction.

What is written is what is deleted: the rows are locked from the moment they are
chosen until the deletion is committed, are named by their places, and are
counted three times. Rows that somebody else has locked are left for later, so
that nothing here waits for a row.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import Store
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.catalog import due_condition
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.files import discard, free
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.part import Part, Serial
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.state import (
    NotExpired,
    PlainTable,
    Policy,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.writing import Writer
from ansible_collections.runbook.postgres.plugins.module_utils._partition.names import quoted
from ansible_collections.runbook.postgres.plugins.module_utils._session import compose, identifier, literal
from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import copied

# Beside the lock that a run holds: this one lives as long as the transaction, also when the run is gone. "RBPX".
_BATCH = 0x52425058

CHOOSE = """
SELECT count(*) AS rows, array_agg(b.place)::text AS places, min(b.key)::text AS lowest, max(b.key)::text AS highest,
       (array_agg(b.place))[1]::text AS place, (array_agg(b.writer))[1] AS writer
  FROM (SELECT {reference}.ctid AS place, {reference}.xmin::text AS writer, {column} AS key
          FROM ONLY {table} WHERE {due} ORDER BY {column} LIMIT {most} FOR UPDATE SKIP LOCKED) AS b
"""
DELETE = """
WITH gone AS (DELETE FROM ONLY {table} WHERE ctid = ANY ({places}::tid[]) RETURNING 1) SELECT count(*) AS n FROM gone
"""
# A commit that the server may forget again is none to delete by.
DURABLE = "SELECT set_config('synchronous_commit', 'local', true) WHERE current_setting('synchronous_commit') = 'off'"


@dataclass(frozen=True)
class Batch:
    rows: int
    # The highest key in it: the next one begins there.
    highest: str
    file: Path | None = None
    part: Part | None = None
    # How its copy elsewhere was compared.
    compared: str | None = None


class Batcher:
    """Lets batches of one table go, one call and one transaction each."""

    def __init__(
        self, connect: Callable[[], CopyConnection], table: PlainTable, policy: Policy, milliseconds: str
    ) -> None:
        self._connect, self._table, self._policy, self._milliseconds = connect, table, policy, milliseconds
        self._named = identifier(table.schema, table.name)
        self._connection: CopyConnection | None = None
        self.longest_lock_wait_seconds = 0.0

    def close(self) -> None:
        """What is not committed is rolled back."""
        if self._connection is not None:
            self._connection.__exit__()
            self._connection = None

    def leave(self, serial: Serial, lower: str | None) -> Batch | None:
        """The next rows from lower on, into the file of that serial; None when there are none."""
        try:
            return self._leave(serial, lower)
        except BaseException:
            self.close()
            raise

    def _leave(self, serial: Serial, lower: str | None) -> Batch | None:
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        self._begin(connection)
        # The condition is the user's and may name what the role finds by its own path; what is written must not.
        connection.fetch("SET LOCAL search_path TO DEFAULT")
        chosen = connection.fetch(self._choice(lower))[0]
        connection.fetch("SET LOCAL search_path = pg_catalog")
        if not chosen["rows"]:
            connection.fetch("ROLLBACK")
            return None
        batch = Batch(int(chosen["rows"]), chosen["highest"])
        if self._policy.store is not None:
            batch = self._written(connection, self._policy.store, serial, chosen)
        with self._discarded(batch.file):
            if batch.file is not None and batch.part is not None and batch.part.offsite is not None:
                batch = replace(batch, compared=copied(batch.file, batch.part.offsite))
            self._delete(connection, batch.rows, chosen["places"])
            self._commit(connection)
        return batch

    def _begin(self, connection: CopyConnection) -> None:
        connection.fetch("BEGIN ISOLATION LEVEL READ COMMITTED")
        connection.fetch(compose("SET LOCAL lock_timeout = {limit}", limit=literal(self._milliseconds)))
        connection.fetch(DURABLE)
        started = time.monotonic()
        try:
            key = literal((_BATCH << 32) | self._table.oid)
            connection.fetch(compose("SELECT pg_advisory_xact_lock({key})", key=key))
            connection.fetch(compose("LOCK TABLE ONLY {table} IN ROW EXCLUSIVE MODE", table=self._named))
        finally:
            waited = time.monotonic() - started
            self.longest_lock_wait_seconds = max(self.longest_lock_wait_seconds, waited)
        name = f"{quoted(self._table.schema)}.{quoted(self._table.name)}"
        there = connection.fetch(compose("SELECT {name}::regclass::oid::bigint AS oid", name=literal(name)))
        if there[0]["oid"] != self._table.oid:
            raise NotExpired("somebody put another table in its place meanwhile")

    def _choice(self, lower: str | None) -> Any:
        table = self._table
        return compose(
            CHOOSE,
            table=self._named,
            reference=self._named,
            column=identifier(table.schema, table.name, table.column),
            due=due_condition(table, self._policy, lower),
            most=literal(self._policy.batch_rows),
        )

    def _written(self, connection: CopyConnection, store: Store, serial: Serial, chosen: Mapping[str, Any]) -> Batch:
        file = free(store, self._table.stem(store), serial)
        with self._discarded(file):
            part = Writer(connection, self._table, self._policy, store).write(file, chosen)
        return Batch(part.rows, part.highest, file, part)

    def _delete(self, connection: CopyConnection, rows: int, places: str) -> None:
        # Triggers find what they name by the role's own path.
        connection.fetch("SET LOCAL search_path TO DEFAULT")
        deleted = int(connection.fetch(compose(DELETE, table=self._named, places=literal(places)))[0]["n"])
        if deleted != rows:
            raise NotExpired(
                f"the server deleted {deleted} of {rows} rows that it locked: look for a trigger that keeps them"
            )

    def _commit(self, connection: CopyConnection) -> None:
        try:
            connection.fetch("COMMIT")
        except QueryFailed:
            # The server says no, and means it.
            raise
        except Unreachable as error:
            raise InDoubt(
                f"the server went away while it was asked to commit, so whether these rows were deleted is for the "
                f"next run to find out ({error.sentence.rstrip('.')})"
            ) from error

    @contextlib.contextmanager
    def _discarded(self, file: Path | None) -> Iterator[None]:
        """After an error the rows are still in the table; then nothing says that they are archived."""
        try:
            yield
        except InDoubt:
            raise
        except BaseException:
            # First the transaction: a file goes once nothing can delete its rows any more.
            self.close()
            if file is not None:
                discard(file)
            raise


class InDoubt(NotExpired, Unreachable):
    """Nobody knows whether the deletion was committed; the file stays, and the server goes on being unreachable."""
