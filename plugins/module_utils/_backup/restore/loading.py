# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A dump goes into a database: by pg_restore or psql, decrypted and unpacked on the way where it has to be."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._backup import manifest as manifests
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import tools
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.watch import growth
from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Progress
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from ansible_collections.runbook.postgres.plugins.module_utils._stream.reading import PORTION, Source

LIST_SECONDS = 3600.0


@dataclass(frozen=True)
class Archive:
    """A backup with what it takes to read it, and the release whose programs do."""

    backup: Backup
    identity: Path | None
    major: int
    # Whoever looks at how far it is.
    progress: Progress = field(default_factory=lambda: Progress(None))
    # What each program has that restores.
    seconds: float = tools.LONGEST_SECONDS

    @property
    def streamed(self) -> bool:
        """Whether the dump is only to be had from its beginning to its end."""
        told = self.backup.manifest
        return told.encrypted or told.wrapped != "none" or told.format == manifests.PLAIN

    @property
    def selectable(self) -> bool:
        return self.backup.manifest.format != manifests.PLAIN

    def load(
        self,
        parameters: Mapping[str, Any],
        database: str,
        jobs: int,
        options: Sequence[str] = (),
        beside: Session | None = None,
    ) -> None:
        """All of it; the first error ends it. By a session beside it is known how large the database has grown."""
        watch = self.progress.watch("define")
        if beside is not None:
            watch = self.progress.watch("load", growth(beside, database, self.backup.manifest))
        where = tools.conninfo(parameters, database)
        with tools.environment(parameters) as variables:
            if not self.selectable:
                argv = [tools.path_of("psql", self.major), "-X", "-q", "-v", "ON_ERROR_STOP=1", f"--dbname={where}"]
                self._feed(argv, variables, meanwhile=watch)
                return
            argv = [tools.path_of("pg_restore", self.major), "--exit-on-error", f"--dbname={where}", *options]
            if self.streamed:
                self._feed(argv, variables, meanwhile=watch)
            else:
                tools.run([*argv, f"--jobs={jobs}", str(self.backup.dump)], variables, watch, self.seconds)

    def analyze(self, parameters: Mapping[str, Any], database: str, jobs: int) -> None:
        """Without statistics the first queries would be planned blindly."""
        argv = [tools.path_of("vacuumdb", self.major), "--analyze-only", "--quiet", f"--jobs={jobs}"]
        with tools.environment(parameters) as variables:
            where = f"--dbname={tools.conninfo(parameters, database)}"
            tools.run([*argv, where], variables, self.progress.watch("analyze"), self.seconds)

    def listed(self) -> list[str]:
        """The dump's table of contents, as pg_restore writes it and takes it back."""
        argv = [tools.path_of("pg_restore", self.major), "--list"]
        with tempfile.TemporaryFile() as printed:
            if not self.streamed:
                return list_of(str(self.backup.dump), self.major)
            self._feed(argv, {}, printed.fileno())
            printed.seek(0)
            return printed.read().decode(errors="surrogateescape").split("\n")

    @contextlib.contextmanager
    def printed(self, options: Sequence[str]) -> Iterator[Program]:
        """The dump as SQL, in the order of its contents; what is not read does not come."""
        argv = [tools.path_of("pg_restore", self.major), "--file=-", *options]
        if not self.streamed:
            program = Program([*argv, str(self.backup.dump)])
            try:
                with program.within(self.seconds):
                    yield program
            finally:
                program.end()
            return
        with self.backup.content(self.backup.manifest.dump, self.identity) as source:
            program = Program(argv, subprocess.PIPE)
            pump = threading.Thread(target=_pumped, args=(program, source), daemon=True)
            pump.start()
            try:
                with program.within(self.seconds):
                    yield program
            finally:
                program.kill()
                pump.join()
                program.end()

    def _feed(
        self,
        argv: Sequence[str],
        variables: Mapping[str, str],
        stdout: int | None = None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        with (
            self.backup.content(self.backup.manifest.dump, self.identity) as source,
            Path(os.devnull).open("wb") as nothing,
        ):
            taker = nothing.fileno() if stdout is None else stdout
            program = Program(argv, subprocess.PIPE, taker, environment=variables)
            try:
                with program.within(self.seconds):
                    whole = feed(program, source, meanwhile)
                    program.finish(self.seconds, meanwhile)
                if whole:
                    source.finish()
            finally:
                program.end()


def list_of(path: str, major: int) -> list[str]:
    return run([tools.path_of("pg_restore", major), "--list", path], LIST_SECONDS).split("\n")


def feed(program: Program, source: Source, fed: Callable[[], None] = lambda: None) -> bool:
    """Whether the program took all of it; one that stops reading before says why when it is finished."""
    try:
        while True:
            data = source.read(PORTION)
            if not data:
                program.stdin.close()
                return True
            program.stdin.write(data)
            fed()
    except BrokenPipeError:
        return False


def _pumped(program: Program, source: Source) -> None:
    """On a thread of its own. A source that fails ends what its reader gets too early, which the reader notices."""
    try:
        feed(program, source)
    except (OSError, ValueError, Problem):
        program.kill()
