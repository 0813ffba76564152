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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, QueryFailed, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive import describe, manifest
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.archiver import now, programs, verify
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import (
    BINARY,
    Store,
    manifest_of,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.catalog import due_condition
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.part import (
    DELETED,
    PENDING,
    Part,
    Serial,
    file_of,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.state import PlainTable, Policy
from ansible_collections.runbook.postgres.plugins.module_utils._session import compose, identifier, joined, literal
from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import copied
from ansible_collections.runbook.postgres.plugins.module_utils._stream.placing import (
    partial_of,
    put_in_place,
    write_text,
)
from ansible_collections.runbook.postgres.plugins.module_utils._stream.writing import pipeline

# Beside the lock that a run holds: this one lives as long as the transaction, also when the run is gone. "RBPX".
_BATCH = 0x52425058

CHOOSE = """
SELECT count(*) AS rows, array_agg(b.place)::text AS places, min(b.key)::text AS lowest, max(b.key)::text AS highest,
       (array_agg(b.place))[1]::text AS place, (array_agg(b.writer))[1] AS writer
  FROM (SELECT {reference}.ctid AS place, {reference}.xmin::text AS writer, {column} AS key
          FROM ONLY {table} WHERE {due} ORDER BY {column} LIMIT {most} FOR UPDATE SKIP LOCKED) AS b
"""
COPY = "COPY (SELECT {columns} FROM ONLY {table} WHERE ctid = ANY ({places}::tid[])) TO STDOUT WITH ({options})"
DELETE = """
WITH gone AS (DELETE FROM ONLY {table} WHERE ctid = ANY ({places}::tid[]) RETURNING 1) SELECT count(*) AS n FROM gone
"""
TRANSACTION = "SELECT pg_current_xact_id()::text AS transaction"
# A commit that the server may forget again is none to delete by.
DURABLE = "SELECT set_config('synchronous_commit', 'local', true) WHERE current_setting('synchronous_commit') = 'off'"


class NotExpired(Problem):
    """A batch that did not leave; its rows are in the table, those before it have left."""


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

    def _written(self, connection: CopyConnection, store: Store, serial: Serial, chosen: Any) -> Batch:
        """The rows in a file that was read back, under its own name, with a manifest that says: not deleted yet."""
        started = now()
        shape = describe.read_shape(connection.fetch, self._table.oid)
        statement = compose(
            COPY,
            columns=joined(", ", [identifier(each) for each in shape.stored]),
            table=self._named,
            places=literal(chosen["places"]),
            options=describe.copy_options(store.format),
        )
        file = file_of(store, self._table.stem(store), serial)
        if file.exists() or manifest_of(file).exists():
            raise NotExpired(f"{file} is there already, and no file is written over")
        partial = partial_of(file)
        _make_directory(store.destination)
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
        with self._discarded(file), pipeline(partial, store.compression, store.recipients) as through:
            rows = connection.copy_out(statement, through.plain.write, through.abort)
            through.plain.close()
            if rows != chosen["rows"]:
                raise NotExpired(f"the server locked {chosen['rows']} rows and copied {rows}")
            about = connection.fetch(describe.VERSION)[0]
            part = Part(
                file=file.name,
                state=PENDING,
                transaction=str(connection.fetch(TRANSACTION)[0]["transaction"]),
                place=chosen["place"],
                writer=chosen["writer"],
                system_identifier=store.system_identifier,
                database=store.database,
                table_schema=self._table.schema,
                table=self._table.name,
                column=self._table.column,
                cutoff=self._policy.cutoff,
                where=self._policy.where,
                lowest=chosen["lowest"],
                highest=chosen["highest"],
                rows=rows,
                bytes=through.plain.bytes,
                sha256=through.plain.sha256,
                columns=shape.columns,
                ddl=shape.ddl,
                copy=self._copy_in(shape.stored, store.format),
                format=store.format,
                compression=store.compression,
                recipients=store.recipients,
                encoding="UTF8",
                file_bytes=through.packed.bytes,
                file_sha256=through.packed.sha256,
                verified=manifest.FILE if store.recipients else manifest.CONTENT,
                offsite=store.offsite,
                server_version=about["server_version"],
                programs=programs(store),
                started=started,
                finished=now(),
            )
            verify(partial, part)
            write_text(manifest_of(file), partial_of(manifest_of(file)), part.to_json())
            put_in_place(partial, file)
        return Batch(rows, chosen["highest"], file, part)

    def _copy_in(self, stored: Sequence[str], how: str) -> str:
        """For a person with psql, who reads the file into this table or one like it."""
        options = "FORMAT binary" if how == BINARY else f"FORMAT csv, HEADER, NULL '{describe.NULL_MARKER}'"
        columns = ", ".join(quoted(each) for each in stored)
        table = f"{quoted(self._table.schema)}.{quoted(self._table.name)}"
        return f"COPY {table} ({columns}) FROM STDIN WITH ({options})"

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


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def discard(file: Path) -> None:
    """The file first: one without a manifest would look like an archive whose manifest was lost."""
    for path in (file, manifest_of(file)):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def confirm(file: Path, part: Part, state: str = DELETED) -> Part:
    told = replace(part, state=state)
    write_text(manifest_of(file), partial_of(manifest_of(file)), told.to_json())
    return told


def publish(file: Path, part: Part) -> None:
    """The manifest follows its file elsewhere once it says what became of the rows; again, it copies nothing."""
    if part.offsite is not None:
        copied(manifest_of(file), part.offsite)


def _make_directory(destination: Path) -> None:
    for place in [*reversed(destination.parents), destination]:
        if not place.exists():
            place.mkdir(mode=0o700)
