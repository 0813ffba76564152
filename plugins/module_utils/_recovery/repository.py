# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""pgBackRest as recovery uses it: what there is, a file of WAL, and a restore into a directory."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._command import (
    Program,
    ProgramFailed,
    account,
    find,
    run,
)
from ansible_collections.runbook.postgres.plugins.module_utils._debian import SUPERUSER
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.readers import Reader, place
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.said import LEVEL, Said
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Progress
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import own_settings
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Backup
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.damage import Damaged, of_pgbackrest
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.waldump import Ending, endings

_STANZA = re.compile(r"[A-Za-z0-9_.-]+")
# Then come the process that made it and a dash.
_SCRATCH = "runbook-wal-"
_ASK_SECONDS = 120.0
_LIST_SECONDS = 300.0
# Its lines begin with a time, a process and a level.
_LEVEL = re.compile(r"^(?:[\d-]+ [\d:.]+ )?(?:P\d+ +)?(?:ERROR|WARN): *(?:\[\d+\]: *)?")


@dataclass(frozen=True)
class Repository:
    """A stanza as this host reaches it; which repositories there are, its configuration says."""

    stanza: str
    config: str | None = None
    number: int | None = None

    def __post_init__(self) -> None:
        if not _STANZA.fullmatch(self.stanza):
            raise Refused(f"'{self.stanza}' cannot be a stanza: use letters, digits, dots, dashes and underscores.")

    def _argv(self, *words: str, number: int | None = None) -> list[str]:
        argv = [find("pgbackrest", "pgbackrest"), f"--stanza={self.stanza}"]
        argv += [f"--config={self.config}"] if self.config else []
        number = self.number or number
        argv += [f"--repo={number}"] if number else []
        return [*argv, *words]

    def _run(self, words: list[str], seconds: float, number: int | None = None) -> str:
        quiet = ["--log-level-console=off", "--log-level-stderr=warn", "--log-level-file=off"]
        become = account(SUPERUSER, "postgresql")
        return run(self._argv(*quiet, *words, number=number), seconds, become=become)

    def info(self) -> Any:
        try:
            return json.loads(self._run(["--output=json", "info"], _ASK_SECONDS))
        except (ProgramFailed, ValueError) as error:
            raise Problem(
                f"The backups of stanza '{self.stanza}' cannot be listed: {reason(error)}; "
                "look at pgbackrest info as postgres on this host."
            ) from error

    def numbers(self) -> list[int]:
        """The repositories that are asked."""
        return [self.number] if self.number else [each["key"] for of in self.info() for each in of["repo"]]

    def marks(self, number: int) -> list[str]:
        """The names of what says there who reads from it."""
        return list(json.loads(self._run(["--output=json", "repo-ls", place(self.stanza)], _ASK_SECONDS, number)))

    def mark(self, reader: Reader, number: int) -> None:
        self._run(["repo-put", f"{place(self.stanza)}/{reader.name}"], _ASK_SECONDS, number)

    def unmark(self, reader: Reader, number: int) -> None:
        self._run(["repo-rm", f"{place(self.stanza)}/{reader.name}"], _ASK_SECONDS, number)

    def listed(self, number: int, directory: str) -> Mapping[str, Any]:
        """The files of a directory there by their names."""
        try:
            found: Mapping[str, Any] = json.loads(
                self._run(["--output=json", "repo-ls", directory], _LIST_SECONDS, number)
            )
        except (ProgramFailed, ValueError) as error:
            raise Problem(
                f"Which timelines are in the archive of '{self.stanza}' cannot be listed: {reason(error)}; "
                "say which is meant, in timeline, and this is not asked."
            ) from error
        return found

    def stored_history(self, timeline: int, number: int, archive: str) -> str | None:
        """The .history file of a timeline as `history` finds it, where this host has no data to ask with."""
        name = f"{timeline:08X}.history"
        words = ["--ignore-missing", "repo-get", f"archive/{self.stanza}/{archive}/{name}"]
        try:
            return self._run(words, _ASK_SECONDS, number)
        except ProgramFailed as error:
            if error.code == 1:
                return None
            raise Problem(f"{name} cannot be read in the archive of '{self.stanza}': {reason(error)}.") from error

    def restore_command(self, data: Path) -> str:
        """For the server, whose shell reads it; asynchronous fetching would share its spool with a cluster beside."""
        argv = [*self._argv(*_here(data), "--no-archive-async", "--log-level-file=off"), "archive-get"]
        return shlex.join(argv).replace("%", "%%") + ' %f "%p"'

    def archived(self, name: str, data: Path, into: Path) -> bool:
        """Fetch one file of the archive; False when there is none. `data` is any data directory of the cluster."""
        words = [*_here(data), "--no-archive-async", "archive-get", name, str(into)]
        try:
            self._run(words, _ASK_SECONDS)
        except ProgramFailed as error:
            # It says so by this code and no words.
            if error.code == 1 and not into.exists():
                return False
            kind = Damaged if of_pgbackrest(error.code) else Problem
            raise kind(f"{name} cannot be fetched from the archive of '{self.stanza}': {reason(error)}.") from error
        return True

    def history(self, timeline: int, data: Path) -> str | None:
        """The .history file of a timeline, None when it is not in the archive."""
        with _scratch() as place:
            file = place / "history"
            found = self.archived(f"{timeline:08X}.history", data, file)
            return file.read_text(errors="replace") if found else None

    def endings(self, segment: str, version: int, data: Path) -> list[Ending] | None:
        """When transactions ended in that segment; None when it is not in the archive."""
        with _scratch() as place:
            if not self.archived(segment, data, place / segment):
                return None
            return endings(version, place, segment)

    def manifest(self, backup: Backup) -> str:
        """What that backup consists of."""
        name = f"backup/{self.stanza}/{backup.label}/backup.manifest"
        try:
            return self._run(["repo-get", name], _LIST_SECONDS, backup.repository)
        except ProgramFailed as error:
            raise Problem(f"The manifest of backup {backup.label} cannot be read: {reason(error)}.") from error

    def restore(
        self,
        backup: Backup,
        into: Path,
        tablespaces: Path,
        moved: Mapping[str, str],
        *,
        again: bool,
        seconds: float,
        progress: Progress,
    ) -> None:
        """The files of that backup, without settings of pgBackRest's own for recovery; tablespaces that are `moved`, by
        their oid, into directories of their own."""
        label = backup.label
        words = [*_here(into), f"--set={label}", *own_settings.ASKED, f"--tablespace-map-all={tablespaces}"]
        words += [f"--tablespace-map={oid}={directory}" for oid, directory in moved.items()]
        # What is there is compared by checksum and kept where it is right.
        words += ["--delta"] if again else []
        quiet = [f"--log-level-console={LEVEL}", "--log-level-stderr=warn", "--log-level-file=off"]
        try:
            with tempfile.TemporaryFile() as printed:
                argv = self._argv(*quiet, *words, "restore")
                program = Program(argv, stdout=printed.fileno(), become=account(SUPERUSER, "postgresql"))
                try:
                    program.finish(seconds, progress.watch("restore", Said(printed.fileno(), backup.bytes).measure))
                finally:
                    program.end()
        except ProgramFailed as error:
            kind = Damaged if of_pgbackrest(error.code) else Problem
            raise kind(
                f"The restore of backup {label} failed: {reason(error)}. What was restored is kept in {into.parent} "
                "and gone on with by the next run; mend the cause and run this again."
            ) from error
        own_settings.take_away(into)


def _here(data: Path) -> list[str]:
    """That directory, on this host, also where its configuration has the servers elsewhere, as on a repository host."""
    return ["--reset-pg1-host", f"--pg1-path={data}"]


class _scratch:  # noqa: N801 - reads as the function that it stands for
    """A directory that postgres may write to, gone afterwards; what a killed run left goes with the next one's."""

    def __enter__(self) -> Path:
        above = Path(tempfile.gettempdir())
        for left in above.glob(f"{_SCRATCH}*"):
            process = left.name[len(_SCRATCH) :].partition("-")[0]
            if not Path("/proc", process).exists():
                shutil.rmtree(left, ignore_errors=True)
        self._place = Path(tempfile.mkdtemp(prefix=f"{_SCRATCH}{os.getpid()}-", dir=above))
        if account(SUPERUSER, "postgresql") is not None:
            shutil.chown(self._place, SUPERUSER, SUPERUSER)
        return self._place

    def __exit__(self, *exc_info: object) -> None:
        shutil.rmtree(self._place, ignore_errors=True)


def reason(error: Exception) -> str:
    """pgBackRest's own words without its way of telling them."""
    words = error.words if isinstance(error, ProgramFailed) and error.words else str(error)
    lines = [_LEVEL.sub("", line).strip() for line in words.split(" / ")]
    return "; ".join(line.rstrip(".") for line in lines if line) or "no reason given"
