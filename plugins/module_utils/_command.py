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
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused

# A program that writes files of its own writes them for their owner, unless it is known to do so for others.
OWNER_ONLY = 0o077
# Most that is looked at in one go of what a program says on the way.
MOST_WORDS = 1 << 20
# How often something else is done while a program is waited for, in seconds.
_NOW_AND_THEN = 0.25


class ProgramFailed(Problem):
    """A program ended with an error, was killed or did not end in time."""

    def __init__(self, sentence: str, code: int | None = None, words: str = "", told: str = "") -> None:
        super().__init__(sentence)
        # Its exit code if it ended by itself, what it said last, and all its lines.
        self.code = code
        self.words = words
        self.told = told or words


@dataclass(frozen=True)
class Account:
    """Whose rights a program has; a program of root's that needs none of root's is given none."""

    name: str
    home: str
    uid: int
    gid: int
    groups: tuple[int, ...]


def account(name: str, package: str) -> Account | None:
    """That user of this host, None if we are that user ourselves."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise Refused(f"This host has no user {name}: install package {package}, which makes it.") from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise Refused(f"Programs are to be run as {name}, which takes root: give the task become: true.")
    return Account(name, entry.pw_dir, entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(name, entry.pw_gid)))


def find(program: str, package: str) -> str:
    """Its path, or the sentence that names the package to install."""
    path = shutil.which(program)
    if path is None:
        raise Refused(f"{program} is not installed on this host: install package {package}, or choose to do without.")
    return path


class Program:
    """A program that runs, with its ends as files; it has no terminal to ask anybody at."""

    def __init__(
        self,
        argv: Sequence[str],
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        *,
        become: Account | None = None,
        environment: Mapping[str, str | None] | None = None,
        umask: int = OWNER_ONLY,
    ) -> None:
        """`become` needs root; `environment` is added to what the program inherits, or taken from it by None."""
        self.name = Path(argv[0]).name
        # The time it had, once that is over.
        self._given: float | None = None
        # A file: a pipe that nobody reads would stop a program that has much to say.
        self._words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the program
        rights: dict[str, Any] = {}
        if become is not None:
            rights = {"user": become.uid, "group": become.gid, "extra_groups": list(become.groups), "cwd": "/"}
            environment = {"HOME": become.home, "USER": become.name, "LOGNAME": become.name, **(environment or {})}
        variables = {**os.environ, "LC_ALL": "C", **(environment or {})}
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                list(argv),
                stdin=stdin,
                stdout=stdout,
                stderr=self._words,
                env={name: value for name, value in variables.items() if value is not None},
                start_new_session=True,
                **rights,
                umask=umask,
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

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

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

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Killed when that is over, also while it takes no more of what it is fed; finish() says so."""

        def end() -> None:
            self._given = seconds
            self.kill()

        timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def over_within(self, seconds: float) -> bool:
        """Whether it is over within this time; how it ended, finish() tells."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def words(self, longest: int = 2000) -> str:
        """The end of what it has said on standard error until now."""
        # Its own place in the file is shared with the program, which writes there.
        length = os.fstat(self._words.fileno()).st_size
        return os.pread(self._words.fileno(), longest, max(0, length - longest)).decode(errors="replace")

    def said_since(self, position: int) -> tuple[str, int]:
        """What it has said beyond that position of standard error, in whole lines, and the position after them."""
        length = os.fstat(self._words.fileno()).st_size
        data = os.pread(self._words.fileno(), min(length - position, MOST_WORDS), position)
        whole = data[: data.rfind(b"\n") + 1]
        return whole.decode(errors="replace"), position + len(whole)

    def finish(self, seconds: float, meanwhile: Callable[[], None] | None = None) -> None:
        """Wait for its end, doing that now and then; anything but success is raised with the program's last words."""
        deadline = Deadline(seconds)
        try:
            while meanwhile is not None and not self.over_within(min(_NOW_AND_THEN, deadline.remaining())):
                meanwhile()
                if deadline.passed():
                    break
            code = self._process.wait(deadline.remaining())
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
            raise self._too_long(seconds) from None
        finally:
            self._close()
        if code < 0 and self._given is not None:
            raise self._too_long(self._given)
        told = self._told()
        words = " / ".join(told[-3:]).rstrip(".")
        if code < 0:
            raise ProgramFailed(f"{self.name} was ended by signal {signal.Signals(-code).name}.")
        if code:
            reason = words or "it gave no reason"
            raise ProgramFailed(f"{self.name} failed with exit code {code}: {reason}.", code, words, "\n".join(told))

    def _too_long(self, seconds: float) -> ProgramFailed:
        return ProgramFailed(f"{self.name} did not end within {seconds:.0f} s and was killed.")

    def _told(self) -> list[str]:
        """Its lines, each with single blanks, without the statement that PostgreSQL's programs repeat at any length."""
        repeated = rf"^Command was: .*?(?=^{re.escape(self.name)}: |\Z)"
        said = re.sub(repeated, "", self.words(MOST_WORDS), flags=re.MULTILINE | re.DOTALL)
        return [" ".join(line.split()) for line in said.splitlines() if line.strip()]


def run(
    argv: Sequence[str],
    seconds: float,
    *,
    text: str | None = None,
    become: Account | None = None,
    environment: Mapping[str, str | None] | None = None,
    umask: int = OWNER_ONLY,
) -> str:
    """What a program prints, whole; for those that print little. `text` is its standard input."""
    with contextlib.ExitStack() as files:
        printed = files.enter_context(tempfile.TemporaryFile())
        stdin: int | IO[bytes] = subprocess.DEVNULL
        if text is not None:
            # In memory only: it may hold a secret.
            stdin = files.enter_context(os.fdopen(os.memfd_create("stdin"), "w+b"))
            stdin.write(text.encode())
            stdin.seek(0)
        program = Program(argv, stdin, printed.fileno(), become=become, environment=environment, umask=umask)
        try:
            program.finish(seconds)
        finally:
            program.end()
        printed.seek(0)
        return printed.read().decode(errors="replace")
