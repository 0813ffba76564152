# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""pg_dump and pg_dumpall into a directory: hashed on the way, packed and encrypted in the same pass."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.observe import Found
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.request import (
    WITHOUT_PASSWORDS,
    Wanted,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.tools import Packing, Tools
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.watch import Watch
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import DATA, DIRECTORY, SCHEMA, Stored
from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Progress
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from ansible_collections.runbook.postgres.plugins.module_utils._stream.compression import PLAIN
from ansible_collections.runbook.postgres.plugins.module_utils._stream.reading import hash_of
from ansible_collections.runbook.postgres.plugins.module_utils._stream.writing import pipeline

PORTION = 1 << 20
GLOBALS = "globals.sql"
END_SECONDS = 600.0
# Linux's own number; Python 3.9 has no name for it.
_SET_PIPE_SIZE = 1031


class NotBackedUp(Problem):
    """There is no new backup; those that were there still are."""


@dataclass(frozen=True)
class Dumped:
    """What a program's output became: the files, and the output itself where that is something else."""

    files: tuple[Stored, ...]
    streams: tuple[Stored, ...] = ()


@dataclass(frozen=True)
class Way:
    """How to reach the server, and by which programs."""

    tools: Tools
    conninfo: str
    environment: Mapping[str, str]


def options(wanted: Wanted, found: Found, packing: Packing) -> tuple[str, ...]:
    """pg_dump's, without those that say where the server is and where the dump goes."""
    given = [f"--format={wanted.format}", *packing.arguments, "--no-password", "--verbose"]
    given.append(f"--lock-wait-timeout={max(1, int(wanted.lock_seconds * 1000))}")
    given += {SCHEMA: ["--schema-only"], DATA: ["--data-only"]}.get(wanted.content, [])
    if wanted.format == DIRECTORY and wanted.jobs > 1:
        given.append(f"--jobs={wanted.jobs}")
    if found.origin.standby:
        # A standby has none, and pg_dump would fail over them.
        given.append("--no-unlogged-table-data")
    if found.chosen:
        given += [f"--table={table.pattern}" for table in found.tables]
    return tuple(given)


class Dumper:
    def __init__(self, way: Way, wanted: Wanted, directory: Path, progress: Progress) -> None:
        self._way = way
        self._wanted = wanted
        self._directory = directory
        self._progress = progress
        self._deadline = Deadline(wanted.timeout)

    def dump(self, session: Session, found: Found, packing: Packing, snapshot: str) -> Dumped:
        """`snapshot` is one that is held: what is counted in it is what the dump holds."""
        argv = [self._way.tools.path("pg_dump"), f"--dbname={self._way.conninfo}", f"--snapshot={snapshot}"]
        argv += options(self._wanted, found, packing)
        name = packing.name(self._wanted.format, bool(self._wanted.recipients))
        if self._wanted.format == DIRECTORY:
            return self._into_directory([*argv, f"--file={self._directory / name}"], session, found, name)
        return self._into_file(argv, name, packing, session, found)

    def globals(self) -> Dumped:
        """Roles, their memberships and settings, and tablespaces: they belong to the cluster, not to the database."""
        argv = [self._way.tools.path("pg_dumpall"), f"--dbname={self._way.conninfo}", "--globals-only", "--no-password"]
        argv += ["--no-role-passwords"] if self._wanted.globals == WITHOUT_PASSWORDS else []
        name = f"{GLOBALS}.age" if self._wanted.recipients else GLOBALS
        return self._into_file(argv, name, Packing((), PLAIN, PLAIN), None, None)

    def _into_directory(self, argv: Sequence[str], session: Session, found: Found, name: str) -> Dumped:
        program = Program(argv, environment=self._way.environment)
        watch = Watch(session, found.tables, program)
        try:
            while not program.over_within(0.25):
                self._refuse_late(program)
                self._progress.tick("dump", watch.measure)
            self._finish(program)
        finally:
            program.end()
        paths = sorted(path for path in (self._directory / name).rglob("*") if path.is_file())
        # Hashing lets others run.
        with ThreadPoolExecutor(self._wanted.jobs) as pool:
            hashes = list(pool.map(lambda path: hash_of(path, from_disk=False), paths))
        root = self._directory
        return Dumped(tuple(Stored(str(path.relative_to(root)), *each) for path, each in zip(paths, hashes)))

    def _into_file(
        self, argv: Sequence[str], name: str, packing: Packing, session: Session | None, found: Found | None
    ) -> Dumped:
        wanted = self._wanted
        path = self._directory / name
        with pipeline(path, packing.piped, wanted.recipients, wanted.level, wanted.jobs) as through:
            program = Program(argv, environment=self._way.environment)
            watch = None if session is None or found is None else Watch(session, found.tables, program)
            try:
                for data in self._portions(program, watch):
                    through.plain.write(data)
                self._finish(program)
            finally:
                program.end()
            through.plain.close()
        stored = Stored(name, through.packed.bytes, through.packed.sha256)
        plain = Stored(name, through.plain.bytes, through.plain.sha256)
        return Dumped((stored,), () if plain == stored else (plain,))

    def _portions(self, program: Program, watch: Watch | None) -> Iterator[bytes]:
        descriptor = program.stdout.fileno()
        with contextlib.suppress(OSError):
            # Fewer turns between the two; a system that allows no more leaves it as it is.
            fcntl.fcntl(descriptor, _SET_PIPE_SIZE, PORTION)
        poller = select.poll()
        poller.register(descriptor, select.POLLIN | select.POLLHUP)
        while True:
            ready = poller.poll(1000)
            self._refuse_late(program)
            if watch is not None:
                self._progress.tick("dump", watch.measure)
            if ready:
                data = os.read(descriptor, PORTION)
                if not data:
                    return
                yield data

    def _refuse_late(self, program: Program) -> None:
        if self._deadline.passed():
            raise NotBackedUp(
                f"{program.name} of {self._wanted.title} did not end within {self._wanted.timeout} s (timeout) and was "
                "stopped: give it more, or look what it waits for."
            )

    def _finish(self, program: Program) -> None:
        try:
            program.finish(END_SECONDS)
        except ProgramFailed as error:
            reason = _reason(program.words()) or error.sentence.rstrip(".")
            raise NotBackedUp(
                f"{program.name} of {self._wanted.title} failed: {reason}; nothing of it is left, "
                "the backups before it are as they were."
            ) from error


def _reason(words: str) -> str:
    """Out of all that it says on the way, what went wrong."""
    told = [line.partition(": ")[2].strip() for line in words.splitlines() if "error: " in line or "detail: " in line]
    return " / ".join(line.partition(": ")[2] for line in told[:3]).rstrip(".")
