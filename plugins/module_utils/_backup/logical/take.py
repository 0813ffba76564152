# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Takes a backup: everything is written, read back and on the disk before the directory gets its name."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup import manifest as manifests
from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import written
from ansible_collections.runbook.postgres.plugins.module_utils._backup.ids import new_id
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical import verify
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.dump import (
    Dumped,
    Dumper,
    NotBackedUp,
    Way,
    options,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.observe import (
    POSITION,
    SNAPSHOT,
    Found,
    count_rows,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.prove import checksum_progress
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.request import NO_GLOBALS, Wanted
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.tools import VERSION_SECONDS, Packing
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import SCHEMA, Manifest, Rows
from ansible_collections.runbook.postgres.plugins.module_utils._backup.place import (
    BACKUP,
    give,
    of_backup,
    partial_directory,
    remove_tree,
    sync,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.state import State, write_state
from ansible_collections.runbook.postgres.plugins.module_utils._command import run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Progress
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from ansible_collections.runbook.postgres.plugins.module_utils._stream.placing import partial_of, write_text

# What a role or a database may be set to that would end a session which holds a snapshot for hours.
PATIENT = {"idle_in_transaction_session_timeout": 14, "transaction_timeout": 17}


@dataclass(frozen=True)
class Taken:
    backup: Backup
    seconds: float


@dataclass(frozen=True)
class Taking:
    """All that is needed to take one; `number` is its place among those of its database."""

    wanted: Wanted
    found: Found
    packing: Packing
    way: Way
    number: int
    owner: tuple[int, int]

    def take(self, session: Session) -> Taken:
        started, since = datetime.now(timezone.utc), time.monotonic()
        name = new_id(self.wanted.database, self.wanted.content, started, secrets.token_hex(3))
        partial = partial_directory(self.wanted.destination, name)
        progress = of_backup(self.wanted.destination, name, BACKUP, self.wanted.content, self.wanted.database)
        try:
            with self._explained():
                partial.mkdir(mode=0o700)
                told = self._written(session, partial, progress, name, started)
                backup = self._proven(Backup(partial, told), progress)
                place = self._put_in_place(partial, name)
            return Taken(replace(backup, directory=place), time.monotonic() - since)
        except BaseException:
            with contextlib.suppress(Problem):
                remove_tree(partial)
            raise
        finally:
            progress.end()

    def _written(self, session: Session, partial: Path, progress: Progress, name: str, started: datetime) -> Manifest:
        dumper = Dumper(self.way, self.wanted, partial, progress)
        with _snapshot(session) as snapshot:
            lsn = session.fetch(POSITION)[0]["lsn"]
            rows = self._counted(session, progress)
            dumped = dumper.dump(session, self.found, self.packing, snapshot)
        others = Dumped(()) if self.wanted.globals == NO_GLOBALS else dumper.globals()
        told = self._told(name, started, lsn, rows, dumped, others)
        path = partial / manifests.NAME
        write_text(path, partial_of(path), told.to_json())
        return told

    def _counted(self, session: Session, progress: Progress) -> tuple[Rows, ...] | None:
        if not self.wanted.count_rows or self.wanted.content == SCHEMA:
            return None
        progress.tick("count")
        session.limit(float(self.wanted.timeout))
        return count_rows(session, self.found.tables, self.found.origin.standby)

    def _told(
        self, name: str, started: datetime, lsn: str, rows: tuple[Rows, ...] | None, dumped: Dumped, others: Dumped
    ) -> Manifest:
        wanted = self.wanted
        return Manifest(
            id=name,
            number=self.number,
            label=wanted.label,
            content=wanted.content,
            tables=self.found.chosen,
            format=wanted.format,
            compression=wanted.method,
            level=wanted.level,
            recipients=wanted.recipients,
            jobs=wanted.jobs,
            options=options(wanted, self.found, self.packing),
            origin=replace(self.found.origin, lsn=lsn),
            dump=self.packing.name(wanted.format, bool(wanted.recipients)),
            globals=others.files[0].path if others.files else None,
            wrapped=self.packing.wrapped,
            files=(*dumped.files, *others.files),
            streams=(*dumped.streams, *others.streams),
            rows=rows,
            started=written(started),
            finished=written(datetime.now(timezone.utc)),
            tools=self._tools(),
        )

    def _tools(self) -> dict[str, str]:
        """What a reader may need to know of the programs that wrote it."""
        told = {"pg_dump": self.way.tools.version}
        for name, used in (
            (self.packing.piped, self.packing.piped in ("zstd", "lz4")),
            ("age", self.wanted.recipients),
        ):
            path = shutil.which(name) if used else None
            if path is not None:
                told[name] = " ".join(run([path, "--version"], VERSION_SECONDS).split())
        return told

    def _proven(self, backup: Backup, progress: Progress) -> Backup:
        """All proofs that need no other server: what does not hold gets no name."""
        wanted, proofs = self.wanted, {}
        if wanted.verify != "none":
            verify.by_checksum(backup, checksum_progress(progress, backup))
            proofs["checksum"] = written(datetime.now(timezone.utc))
        if wanted.verify == "list":
            verify.by_list(backup, self.way.tools, wanted.identity)
            proofs["list"] = written(datetime.now(timezone.utc))
        state = State(proofs)
        write_state(backup.directory, state)
        return replace(backup, state=state)

    def _put_in_place(self, partial: Path, name: str) -> Path:
        give(partial, self.owner)
        place = partial.with_name(name)
        partial.rename(place)
        sync(place.parent)
        return place

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """An error without a sentence of its own gets one."""
        try:
            yield
        except OSError as error:
            named = f" ({error.filename})" if error.filename else ""
            raise NotBackedUp(
                f"The backup of {self.wanted.title} could not be written: {error.strerror}{named}; nothing of it is "
                "left, the backups before it are as they were."
            ) from error


@contextlib.contextmanager
def _snapshot(session: Session) -> Iterator[str]:
    """One view of the database for the counts and for each process of pg_dump."""
    for setting, since in PATIENT.items():
        if session.major >= since:
            session.fetch(f"SET {setting} = 0")
    session.fetch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield str(session.fetch(SNAPSHOT)[0]["snapshot"])
    finally:
        with contextlib.suppress(Problem):
            session.fetch("ROLLBACK")
