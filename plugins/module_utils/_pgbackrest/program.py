# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The only place that runs pgBackRest: argv in, what it printed out, its exit codes as sentences."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, ProgramFailed, account, run
from ansible_collections.runbook.postgres.plugins.module_utils._debian import SUPERUSER
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.said import LEVEL, Said
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Progress

PROGRAM = "pgbackrest"
# Since this version it talks TLS to other hosts, and its verify can be relied on.
FIRST_WITH_TLS = (2, 37)
FIRST_WITH_VERIFY = (2, 39)

# pgBackRest's own numbers.
OTHER_CLUSTER, LOCKED, FILE_MISSING, ARCHIVE_TIMEOUT, ARCHIVE_DISABLED, CRYPTO = 28, 50, 55, 82, 87, 95
_ANEW = "or, where the cluster was upgraded or made anew, run role backup with backup_upgrade"
_NEXT = {
    OTHER_CLUSTER: f"the repository holds another cluster: look whether the stanza is the right one, {_ANEW}",
    LOCKED: "another backup, expiry or stanza command is at work: wait for it and repeat",
    49: "look whether that host is up and its pgbackrest.service runs",
    51: f"the repository holds another cluster: look whether the stanza is the right one, {_ANEW}",
    56: "look whether the server runs and lets postgres in over its socket",
    62: "somebody stopped pgBackRest on this host: allow it by `pgbackrest start`",
    ARCHIVE_TIMEOUT: "look at the server's log for what archive_command says",
    ARCHIVE_DISABLED: "have archive_mode on, which takes a restart: runbook.postgres.restart does it",
    CRYPTO: "look whether the passphrase is that of this repository",
    101: "look whether that service is up and takes the key",
}
_DETAIL = re.compile(rb"P\d+ DETAIL: ")
_LEVEL = re.compile(r"^(?:P\d\d +)?(ERROR|WARN|INFO|ASSERT|HINT|DETAIL): +(?:\[(\d{3})\]: )?(.*)$")


class PgBackRestFailed(Problem):
    """It ended with an error; `code` is pgBackRest's own number of it, None when it was killed."""

    def __init__(self, sentence: str, code: int | None, printed: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.printed = printed


@dataclass(frozen=True)
class PgBackRest:
    """Calls for one stanza, as postgres."""

    stanza: str
    seconds: float = 60.0

    def run(self, command: str, *arguments: str, seconds: float | None = None, log: str = "warn") -> str:
        """What it printed, its log of that level included."""
        argv = [_path(), command, f"--stanza={self.stanza}", "--no-log-timestamp", "--log-level-stderr=off"]
        argv += [f"--log-level-console={log}", *arguments]
        return _printed(argv, self.seconds if seconds is None else seconds)

    def watched(self, command: str, *arguments: str, progress: Progress) -> str:
        """What it printed at level info; how far it is, `progress` is told meanwhile."""
        argv = [_path(), command, f"--stanza={self.stanza}", "--no-log-timestamp", "--log-level-stderr=off"]
        return _printed([*argv, f"--log-level-console={LEVEL}", *arguments], self.seconds, progress)

    def json(self, command: str, *arguments: str, seconds: float | None = None) -> Any:
        """What it printed, as its own machine-readable output."""
        printed = self.run(command, "--output=json", *arguments, seconds=seconds, log="error")
        # After what else it has to say, and with bytes inside that a wrong passphrase made of a file.
        begin = re.search(r"^[\[{]", printed, re.MULTILINE)
        try:
            return json.JSONDecoder(strict=False).raw_decode(printed, begin.start() if begin else 0)[0]
        except ValueError:
            raise Problem(f"{PROGRAM} {command} printed what is no JSON: look at its version and its log.") from None


def installed() -> bool:
    return shutil.which(PROGRAM) is not None


def version() -> tuple[int, ...] | None:
    """Of the installed one; None where there is none."""
    if not installed():
        return None
    found = re.search(r"(\d+)\.(\d+)", run([PROGRAM, "version"], 30))
    return tuple(map(int, found.groups())) if found else None


def _path() -> str:
    path = shutil.which(PROGRAM)
    if path is None:
        raise Refused(f"{PROGRAM} is not installed on this host: role backup installs it.")
    return path


def _printed(argv: Sequence[str], seconds: float, progress: Progress | None = None) -> str:
    command = argv[1]
    # What anybody set for pgBackRest or libpq in our environment must not lead it elsewhere.
    others = {name: None for name in os.environ if name.startswith("PG")}
    with contextlib.ExitStack() as ends:
        printed = ends.enter_context(tempfile.TemporaryFile())
        program = Program(
            argv, subprocess.DEVNULL, printed.fileno(), become=account(SUPERUSER, "postgresql"), environment=others
        )
        ends.callback(program.end)
        try:
            watch = None if progress is None else progress.watch(command, Said(printed.fileno()).measure)
            program.finish(seconds, watch)
        except ProgramFailed as error:
            text = _without_details(printed)
            if error.code is None:
                raise PgBackRestFailed(error.sentence, None, text) from error
            raise PgBackRestFailed(failure(command, error.code, text or error.words), error.code, text) from error
        # A line for each file of a large cluster is no text to be kept in memory.
        return _without_details(printed) if progress else _whole(printed)


def _without_details(printed: IO[bytes]) -> str:
    printed.seek(0)
    return b"".join(line for line in printed if not _DETAIL.match(line)).decode(errors="replace")


def _whole(printed: IO[bytes]) -> str:
    printed.seek(0)
    return printed.read().decode(errors="replace")


def failure(command: str, code: int, printed: str) -> str:
    """One sentence: what it said, and what to do next where its number tells."""
    reason = "; ".join(errors(printed)) or "it gave no reason"
    what = _NEXT.get(code, "its log in /var/log/pgbackrest has the whole")
    return f"{PROGRAM} {command} failed ({code}): {reason.rstrip('.')}; {what}."


def errors(printed: str) -> list[str]:
    return _lines(printed, "ERROR", "ASSERT")


def warnings(printed: str) -> list[str]:
    return _lines(printed, "WARN")


def _lines(printed: str, *levels: str) -> list[str]:
    """What it said at these levels, each with the lines that go on with it."""
    found: list[str] = []
    taking = False
    for line in printed.splitlines():
        match = _LEVEL.match(line)
        if match:
            taking = match[1] in levels
            if taking:
                found.append(match[3].strip())
        elif taking and line.strip() and not line.strip().startswith("HINT"):
            found[-1] += f" {line.strip()}"
    return found
