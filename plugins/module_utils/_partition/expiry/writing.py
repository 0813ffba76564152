# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The rows of a batch go into a file that is read back, and its manifest says: not deleted yet."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive import describe, manifest
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.archiver import now, programs, verify
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.describe import Shape
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import (
    BINARY,
    Store,
    manifest_of,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.part import PENDING, Part
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.state import (
    NotExpired,
    PlainTable,
    Policy,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.names import quoted
from ansible_collections.runbook.postgres.plugins.module_utils._session import compose, identifier, joined, literal
from ansible_collections.runbook.postgres.plugins.module_utils._stream.placing import (
    partial_of,
    put_in_place,
    write_text,
)
from ansible_collections.runbook.postgres.plugins.module_utils._stream.writing import Pipeline, pipeline

COPY = "COPY (SELECT {columns} FROM ONLY {table} WHERE ctid = ANY ({places}::tid[])) TO STDOUT WITH ({options})"
TRANSACTION = "SELECT pg_current_xact_id()::text AS transaction"


class Writer:
    """Writes within the transaction that chose the rows."""

    def __init__(self, connection: CopyConnection, table: PlainTable, policy: Policy, store: Store) -> None:
        self._connection, self._table, self._policy, self._store = connection, table, policy, store

    def write(self, file: Path, chosen: Mapping[str, Any]) -> Part:
        """Under its own name only when all of it was read back; after an error, something of it may be there."""
        store, started = self._store, now()
        shape = describe.read_shape(self._connection.fetch, self._table.oid)
        partial = partial_of(file)
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
        with pipeline(partial, store.compression, store.recipients) as through:
            copy = self._copy_out(shape, chosen["places"])
            rows = self._connection.copy_out(copy, through.plain.write, through.abort)
            through.plain.close()
            if rows != chosen["rows"]:
                raise NotExpired(f"the server locked {chosen['rows']} rows and copied {rows}")
            part = self._described(file, chosen, shape, through, started)
            verify(partial, part)
            write_text(manifest_of(file), partial_of(manifest_of(file)), part.to_json())
            put_in_place(partial, file)
        return part

    def _copy_out(self, shape: Shape, places: str) -> Any:
        return compose(
            COPY,
            columns=joined(", ", [identifier(each) for each in shape.stored]),
            table=identifier(self._table.schema, self._table.name),
            places=literal(places),
            options=describe.copy_options(self._store.format),
        )

    def _described(self, file: Path, chosen: Mapping[str, Any], shape: Shape, through: Pipeline, started: str) -> Part:
        table, policy, store = self._table, self._policy, self._store
        return Part(
            file=file.name,
            state=PENDING,
            transaction=str(self._connection.fetch(TRANSACTION)[0]["transaction"]),
            place=chosen["place"],
            writer=chosen["writer"],
            system_identifier=store.system_identifier,
            database=store.database,
            table_schema=table.schema,
            table=table.name,
            column=table.column,
            cutoff=policy.cutoff,
            where=policy.where,
            lowest=chosen["lowest"],
            highest=chosen["highest"],
            rows=chosen["rows"],
            bytes=through.plain.bytes,
            sha256=through.plain.sha256,
            columns=shape.columns,
            ddl=shape.ddl,
            copy=self._copy_in(shape),
            format=store.format,
            compression=store.compression,
            recipients=store.recipients,
            encoding="UTF8",
            file_bytes=through.packed.bytes,
            file_sha256=through.packed.sha256,
            verified=manifest.FILE if store.recipients else manifest.CONTENT,
            offsite=store.offsite,
            server_version=self._connection.fetch(describe.VERSION)[0]["server_version"],
            programs=programs(store),
            started=started,
            finished=now(),
        )

    def _copy_in(self, shape: Shape) -> str:
        """For a person with psql, who reads the file into this table or one like it."""
        binary = self._store.format == BINARY
        options = "FORMAT binary" if binary else f"FORMAT csv, HEADER, NULL '{describe.NULL_MARKER}'"
        columns = ", ".join(quoted(each) for each in shape.stored)
        table = f"{quoted(self._table.schema)}.{quoted(self._table.name)}"
        return f"COPY {table} ({columns}) FROM STDIN WITH ({options})"
