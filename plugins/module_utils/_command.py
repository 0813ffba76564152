# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The only place that starts programs: argv in, result out, no shell, and never a wait without an end.

Arguments are for everyone to read in the list of processes: a secret goes
through a file or standard input.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused


class ProgramFailed(Problem):
    """A program ended with an error, was killed or did not end in time."""


def find(program: str, package: str) -> str:
    """Its path, or the sentence that names the package to install."""
    path = shutil.which(program)
    if path is None:
        raise Refused(f"{program} is not installed on this host: install package {package}, or choose to do without.")
    return path


class Program:
    """A program that runs, with its ends as files; it has no terminal to ask anybody at."""

    def __init__(
        self, argv: Sequence[str], stdin: int | IO[bytes] = subprocess.DEVNULL, stdout: int = subprocess.PIPE
    ) -> None:
        self.name = Path(argv[0]).name
        # A file: a pipe that nobody reads would stop a program that has much to say.
        self._words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the program
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                list(argv),
                stdin=stdin,
                stdout=stdout,
                stderr=self._words,
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=True,
                # A program that writes files of its own writes them for their owner only.
                umask=0o077,
            )
        except OSError as error:
            self._words.close()
            raise ProgramFailed(f"{self.name} could not be started: {error.strerror}.") from error

    @property
    def stdin(self) -> Any:
        return self._process.stdin

    @property
    def stdout(self) -> Any:
        return self._process.stdout

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def end(self) -> None:
        """Nothing is left of it, whatever it was doing; a second time does no harm."""
        self.kill()
        self._process.wait()
        self._close()
        self._words.close()

    def _close(self) -> None:
        for end in (self._process.stdin, self._process.stdout):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.close()

    def finish(self, seconds: float) -> None:
        """Wait for its end; anything but success is raised with the program's last words."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
            raise ProgramFailed(f"{self.name} did not end within {seconds:.0f} s and was killed.") from None
        finally:
            self._close()
        words = self._last_words()
        if code < 0:
            raise ProgramFailed(f"{self.name} was ended by signal {signal.Signals(-code).name}.")
        if code:
            raise ProgramFailed(f"{self.name} failed with exit code {code}: {words or 'it gave no reason'}.")

    def _last_words(self) -> str:
        self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, self._words.tell() - 2000))
        lines = self._words.read().decode(errors="replace").splitlines()
        told = [" ".join(line.split()) for line in lines if line.strip()]
        return " / ".join(told[-3:]).rstrip(".")


def run(argv: Sequence[str], seconds: float) -> str:
    """What a program prints, whole; for those that print little."""
    with tempfile.TemporaryFile() as printed:
        program = Program(argv, stdout=printed.fileno())
        try:
            program.finish(seconds)
        finally:
            program.end()
        printed.seek(0)
        return printed.read().decode(errors="replace")
