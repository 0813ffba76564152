# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the end of a server's log tells of why it is down.

Lines of sessions are passed over, and the details of others: they hold statements,
and those may hold secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.runbook.postgres.plugins.module_utils._instance.configuration import without_passwords
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.found import Crash, Story

_LINE = re.compile(
    r"^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)?.*?(?:\[(?P<pid>\d+)\](?P<rest>.*?))?"
    r"\b(?P<level>LOG|WARNING|ERROR|FATAL|PANIC):\s+(?P<words>.*)$"
)
_CRASH = re.compile(
    r"^(?P<process>[\w ]+?) \(PID (?P<pid>\d+)\) "
    r"(?P<how>was terminated by signal \d+[^,]*|exited with exit code [1-9]\d*)"
)
# Of a server that ends with an error, what went before it in the same process says where.
_TELLING = (
    "could not",
    "invalid",
    "unrecognized",
    "syntax error",
    "parameter",
    "database files",
    "lock file",
    "data dir",
)
_BEGAN = ("starting PostgreSQL", "database system is ready to accept")
_ASKED = re.compile(r"received (smart|fast) shutdown request")
# What ends a process and not the server: a session that is ended or came at the wrong moment, a standby that does not
# reach its upstream.
_PASSING = re.compile("administrator command|walreceiver|WAL stream|connect to the primary|^the database system is ")
_MOST_WORDS = 3


@dataclass(frozen=True)
class Line:
    time: str
    pid: int | None
    level: str
    words: str
    # Of a session, which has a user and a database.
    session: bool


def read(file: str, text: str) -> Story:
    lines = list(_lines(text.splitlines()))
    stopped = None
    for line in lines:
        if line.words == "database system is shut down":
            stopped = line.time
        elif line.words.startswith(_BEGAN):
            stopped = None
    words = tuple(_words(lines))
    # Whoever stopped it in between knew of those before.
    asked = max((at for at, line in enumerate(lines) if _ASKED.match(line.words)), default=-1)
    crashes = tuple(_crashes(lines[asked + 1 :]))
    orderly = stopped if not words and not (crashes and _after(lines, crashes[-1])) else None
    last = lines[-1].time if lines else None
    return Story(file, words, crashes, orderly, last, _seconds(last or ""))


def loop(told: Story, at_least: int, within: float) -> tuple[Crash, ...]:
    """The crashes of its last so many seconds, if they are that many."""
    end = told.ended
    late = tuple(
        each for each in told.crashes if end is not None and each.seconds is not None and end - each.seconds <= within
    )
    return late if len(late) >= at_least else ()


def _lines(raw: Iterable[str]) -> Iterator[Line]:
    for text in raw:
        found = _LINE.match(text)
        if found:
            pid = int(found["pid"]) if found["pid"] else None
            yield Line(found["time"] or "", pid, found["level"], found["words"].strip(), "@" in (found["rest"] or ""))


def _words(lines: list[Line]) -> Iterator[str]:
    """Why the last start came to nothing, or the last server to its end."""
    begin = max((at for at, line in enumerate(lines) if line.words.startswith(_BEGAN[1])), default=-1)
    own = [line for line in lines[begin + 1 :] if not line.session]
    fatal = [line for line in own if line.level in ("FATAL", "PANIC") and not _PASSING.search(line.words)]
    if not fatal:
        return
    last = fatal[-1]
    before = [
        line
        for line in own
        if line.level in ("LOG", "WARNING") and line.pid == last.pid and line.words.startswith(_TELLING)
    ]
    told = [*(line.words for line in before), last.words]
    yield from (without_passwords(words).rstrip(".") for words in list(dict.fromkeys(told))[-_MOST_WORDS:])


def _crashes(lines: Iterable[Line]) -> Iterator[Crash]:
    for line in lines:
        found = None if line.session else _CRASH.match(line.words)
        # A worker that is told to end ends with 1; only the startup process is missed.
        if found and (found["how"].startswith("was") or found["process"] == "startup process"):
            yield Crash(line.time, found["process"], int(found["pid"]), found["how"], _seconds(line.time))


def _after(lines: list[Line], crash: Crash) -> bool:
    """Whether no server was ready since."""
    for line in reversed(lines):
        if line.words.startswith(_BEGAN[1]):
            return False
        if f"(PID {crash.pid})" in line.words:
            return True
    return False


def _seconds(time: str) -> float | None:
    if not time:
        return None
    form = "%Y-%m-%d %H:%M:%S.%f" if "." in time else "%Y-%m-%d %H:%M:%S"
    # Only compared with others of the same log.
    return (datetime.strptime(time, form) - datetime(2000, 1, 1)).total_seconds()  # noqa: DTZ001, DTZ007 - see above
