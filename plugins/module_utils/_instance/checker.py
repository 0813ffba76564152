# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The server's own reading of settings: its program is asked, without an instance and beside one that runs."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._debian import bin_directory, run_as_postgres
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._instance.configuration import quoted

_SECONDS = 20.0
_TOLD = re.compile(r"(?:LOG|WARNING|ERROR|FATAL|DETAIL|HINT):\s+(.*)")
# What follows from the rest, or from there being no instance.
_NOISE = ("skipping missing configuration file", "configuration file ", "unaffected changes")


class Checker:
    """`postgres -C`, which reads a configuration, tells one setting and ends."""

    def __init__(self, version: int) -> None:
        self._version = version
        self._known: dict[tuple[str, str], str] = {}

    @property
    def program(self) -> Path:
        return bin_directory(self._version) / "postgres"

    @property
    def installed(self) -> bool:
        return self.program.exists()

    def reading(self, name: str, value: str) -> str:
        """The value as pg_settings would show it, without a unit."""
        key = (name, value)
        if key not in self._known:
            self._known[key] = self._ask(name, f"{name} = {quoted(value)}\n").rstrip("\n")
        return self._known[key]

    def validate(self, text: str) -> None:
        self._ask("port", text)

    def _ask(self, name: str, text: str) -> str:
        # A directory without an instance: no other file takes part.
        argv = [str(self.program), "-C", name, "--config-file=/dev/stdin", "-D", "/"]
        try:
            return run_as_postgres(argv, _SECONDS, text=text)
        except ProgramFailed as error:
            if error.code is None:
                raise
            raise Refused(
                f"PostgreSQL {self._version} does not take these settings: {_reason(error.words)}; "
                "correct the variable, nothing was changed."
            ) from error


def _reason(words: str) -> str:
    """Its complaints; where it read them from is no place an operator could look at."""
    lines = [match[1] for match in map(_TOLD.search, words.split(" / ")) if match]
    told = [re.sub(r' in file "/dev/stdin" line \d+', "", line) for line in lines if not line.startswith(_NOISE)]
    return "; ".join(line.rstrip(".") for line in told) or words
