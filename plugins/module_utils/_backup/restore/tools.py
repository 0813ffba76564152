# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""PostgreSQL's own programs at work: found once, let in, and given what they read without a file on a disk."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils import _connection
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.tools import Tools, find_tools, let_in
from ansible_collections.runbook.postgres.plugins.module_utils._command import Program

# A restore takes as long as it takes; this is for one that hangs.
LONGEST_SECONDS = 7 * 24 * 3600.0


@functools.cache
def _tools(major: int) -> Tools:
    return find_tools(major)


def path_of(name: str, major: int) -> str:
    return _tools(major).path(name)


def conninfo(parameters: Mapping[str, Any], database: str) -> str:
    given = {"fallback_application_name": "runbook.postgres", **parameters, "dbname": database}
    return _connection.conninfo(given)


def environment(parameters: Mapping[str, Any]) -> AbstractContextManager[dict[str, str]]:
    return let_in(parameters.get("password"))


def run(
    argv: Sequence[str],
    variables: Mapping[str, str],
    meanwhile: Callable[[], None] | None = None,
    seconds: float = LONGEST_SECONDS,
) -> None:
    """Until it ends, and well."""
    with Path(os.devnull).open("wb") as nothing:
        program = Program(argv, stdout=nothing.fileno(), environment=variables)
        try:
            program.finish(seconds, meanwhile)
        finally:
            program.end()


@contextlib.contextmanager
def in_memory(text: str = "") -> Iterator[str]:
    """A file for our programs that is on no disk and that a killed run does not leave behind: its path."""
    with os.fdopen(os.memfd_create("restore"), "w+") as file:
        file.write(text)
        file.flush()
        yield f"/proc/{os.getpid()}/fd/{file.fileno()}"
