# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Carries out the steps of archiving; each is either done or not begun, whenever we are interrupted."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._command import run
from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, TookTooLong, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive import describe, manifest
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.manifest import Manifest
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.steps import (
    Archive,
    DropArchived,
    Offsite,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import Store, manifest_of
from ansible_collections.runbook.postgres.plugins.module_utils._partition.marks import own_comment
from ansible_collections.runbook.postgres.plugins.module_utils._partition.standing import Meddled, refuse_meddled
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import Partition
from ansible_collections.runbook.postgres.plugins.module_utils._session import compose, identifier, literal
from ansible_collections.runbook.postgres.plugins.module_utils._stream import reading
from ansible_collections.runbook.postgres.plugins.module_utils._stream.compression import ZSTD
from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import copied
from ansible_collections.runbook.postgres.plugins.module_utils._stream.placing import (
    partial_of,
    put_in_place,
    write_text,
)
from ansible_collections.runbook.postgres.plugins.module_utils._stream.writing import Tally, pipeline

VERSION_SECONDS = 30.0


class NotArchived(Problem):
    """There is no archive that can be trusted; the partition is still there."""


@dataclass
class Kept:
    """An archive that was verified, and where else it is."""

    file: Path
    manifest: Manifest
    offsite: str | None = None


class Archiver:
    """Archives the partitions of one table; what was kept is known by the partition's oid."""

    def __init__(self, connect: Callable[[], CopyConnection], lock_milliseconds: str) -> None:
        self._connect = connect
        self._lock_milliseconds = lock_milliseconds
        self.kept: dict[int, Kept] = {}

    def ways(self) -> dict[type, Callable[[Any], None]]:
        return {Archive: self._archive, Offsite: self._offsite, DropArchived: self._drop}

    def _archive(self, step: Archive) -> None:
        with self._connect() as connection, self._explained(step):
            # No write between the count, the rows and the columns; reads go on.
            self._begin(connection, step, "SHARE", "REPEATABLE READ")
            shape = describe.read_shape(connection.fetch, step.partition.oid)
            self._make_directory(step.store.destination)
            tally: Tally | None = None
            number = 0
            while True:
                number += 1
                file = step.store.file(step.stem, number)
                if not file.exists():
                    break
                told = _believed(file, step)
                if told is None:
                    continue
                if tally is None:
                    tally = _read_through(connection, step.partition, shape.stored, told)
                if (tally.sha256, tally.bytes) == (told.sha256, told.bytes):
                    self.kept[step.partition.oid] = Kept(file, told)
                    return
            self.kept[step.partition.oid] = Kept(file, self._made(connection, step, shape, file))

    def _made(self, connection: CopyConnection, step: Archive, shape: describe.Shape, file: Path) -> Manifest:
        started = now()
        partial = partial_of(file)
        with contextlib.suppress(FileNotFoundError):
            # Of a run that was killed: nobody else writes here while we hold the table's lock.
            partial.unlink()
        counted = _count(connection, step.partition)
        statement = _copy_out(step.partition, shape.stored, step.store.format)
        with pipeline(partial, step.store.compression, step.store.recipients) as through:
            rows = connection.copy_out(statement, through.plain.write, through.abort)
            through.plain.close()
            if rows != counted:
                raise NotArchived(f"the server counts {counted} rows and copied {rows}")
            about = connection.fetch(describe.VERSION)[0]
            # A snapshot that is held keeps vacuum from its work in all of the database, and reading back takes long.
            connection.fetch("COMMIT")
            told = Manifest(
                file=file.name,
                system_identifier=step.store.system_identifier,
                database=step.store.database,
                table_schema=step.table.schema,
                table=step.table.name,
                partition_schema=step.partition.schema,
                partition=step.partition.name,
                bound=step.partition.bound,
                kind=step.table.kind,
                comment=own_comment(step.partition.said, step.table.title),
                rows=rows,
                bytes=through.plain.bytes,
                sha256=through.plain.sha256,
                columns=shape.columns,
                ddl=shape.ddl,
                format=step.store.format,
                compression=step.store.compression,
                recipients=step.store.recipients,
                encoding="UTF8",
                file_bytes=through.packed.bytes,
                file_sha256=through.packed.sha256,
                verified=manifest.FILE if step.store.recipients else manifest.CONTENT,
                server_version=about["server_version"],
                programs=programs(step.store),
                started=started,
                finished=now(),
            )
            # Before it has its name, and the manifest before it: what bears an archive's name is a whole one.
            verify(partial, told)
            write_text(manifest_of(file), partial_of(manifest_of(file)), told.to_json())
            put_in_place(partial, file)
        return told

    def _offsite(self, step: Offsite) -> None:
        kept = self.kept[step.partition.oid]
        with self._explained(step):
            how = copied(kept.file, str(step.store.offsite))
            copied(manifest_of(kept.file), str(step.store.offsite))
        self.kept[step.partition.oid] = replace(kept, offsite=f"{step.store.offsite}, {how}")

    def _drop(self, step: DropArchived) -> None:
        """Under a lock that keeps everybody out, the table is read once more: rows that came since are not lost."""
        kept = self.kept[step.partition.oid]
        with self._connect() as connection, self._explained(step):
            self._begin(connection, step, "ACCESS EXCLUSIVE", "READ COMMITTED")
            stored = [each.name for each in kept.manifest.columns if not each.generated]
            tally = _read_through(connection, step.partition, stored, kept.manifest)
            if tally.sha256 != kept.manifest.sha256:
                raise NotArchived("it was written to after it was archived, run this again to archive it as it is now")
            told = manifest_of(kept.file).read_text(encoding="utf-8")
            if (kept.file.stat().st_size, told) != (kept.manifest.file_bytes, kept.manifest.to_json()):
                raise NotArchived(f"{kept.file} is not any more what was verified")
            connection.fetch(compose("DROP TABLE {table}", table=_name(step.partition)))
            connection.fetch("COMMIT")

    # -- what they share -----------------------------------------------------

    def _begin(self, connection: CopyConnection, step: Archive | DropArchived, lock: str, isolation: str) -> None:
        connection.fetch(f"BEGIN ISOLATION LEVEL {isolation}")
        # Utility statements: the snapshot is taken after the lock was had.
        connection.fetch(compose("SET LOCAL lock_timeout = {limit}", limit=literal(self._lock_milliseconds)))
        connection.fetch(compose(f"LOCK TABLE ONLY {{table}} IN {lock} MODE", table=_name(step.partition)))
        refuse_meddled(connection.fetch, step.partition, step.table.title, step.sentence)

    @contextlib.contextmanager
    def _explained(self, step: Any) -> Any:
        """An error without a sentence of its own gets one; in any case the partition is still there."""
        try:
            yield
        except (TookTooLong, Unreachable, Meddled):
            raise
        except Problem as error:
            raise NotArchived(_kept_back(step, error.sentence.rstrip("."))) from error
        except OSError as error:
            named = f" ({error.filename})" if error.filename else ""
            raise NotArchived(_kept_back(step, f"{error.strerror}{named}")) from error

    def _make_directory(self, destination: Path) -> None:
        for place in [*reversed(destination.parents), destination]:
            if not place.exists():
                place.mkdir(mode=0o700)


def _kept_back(step: Any, reason: str) -> str:
    return f"Could not {step.sentence}: {reason}; the table is still there, detached, and the next run goes on."


def verify(file: Path, told: manifest.Content) -> None:
    """The file says what the manifest says, as far as it can be read without a secret key."""
    if reading.hash_of(file) != (told.file_bytes, told.file_sha256):
        raise NotArchived("the file read back is not what was written to it")
    if told.verified == manifest.CONTENT:
        with reading.opened(file, told.compression, None) as content:
            content.drain()
            content.finish()
            if (content.bytes, content.sha256) != (told.bytes, told.sha256):
                raise NotArchived("the content read back is not what the server said")


def _believed(file: Path, step: Archive) -> Manifest | None:
    """The manifest of a file that is whole and kept as is asked for now; any other is left as it is."""
    try:
        told = manifest.read(manifest_of(file))
        if (told.file, told.recipients) != (file.name, step.store.recipients):
            return None
        verify(file, told)
    except (Problem, OSError):
        return None
    return told


def _read_through(connection: CopyConnection, partition: Partition, stored: Any, told: Manifest) -> Tally:
    tally = Tally()
    connection.copy_out(_copy_out(partition, stored, told.format), tally.write, lambda: None)
    return tally


def _copy_out(partition: Partition, stored: Any, how: str) -> Any:
    return describe.copy_statement(_name(partition), stored, how, "TO STDOUT")


def _count(connection: CopyConnection, partition: Partition) -> int:
    return int(connection.fetch(compose("SELECT count(*) AS n FROM ONLY {table}", table=_name(partition)))[0]["n"])


def _name(partition: Partition) -> Any:
    return identifier(partition.schema, partition.name)


def programs(store: Store) -> dict[str, str]:
    """What a reader may need to know of the tools that wrote the file."""
    wanted = (["zstd"] if store.compression == ZSTD else []) + (["age"] if store.recipients else [])
    found = {name: shutil.which(name) for name in wanted}
    return {name: " ".join(run([path, "--version"], VERSION_SECONDS).split()) for name, path in found.items() if path}


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
