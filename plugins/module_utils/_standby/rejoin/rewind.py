# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""pg_rewind, and what it wants of the data before: a server that was shut down in order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._debian import (
    bin_directory,
    config_directory,
    run_as_postgres,
)
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._standby.conninfo import Conninfo
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.program import said

# It reads files through the server, with the rights to some functions in this database.
DATABASE = "postgres"
# Since then it can be told where Debian keeps the settings, and with them the restore_command.
_TOLD_SETTINGS = 15
_NOT_CHECKPOINTED = "no rewind required"
_GONE = re.compile(r"could not find previous WAL record|could not open file \S*/pg_wal/|could not restore file")
# What it says on its way, before what went wrong.
_ON_ITS_WAY = ("servers diverged at", "rewinding from last common checkpoint")
_ASK_SECONDS = 30.0


@dataclass(frozen=True)
class Rewinding:
    """How it is to be done."""

    version: int
    instance: str
    data: Path
    conninfo: Conninfo
    seconds: float

    @property
    def settings(self) -> Path:
        return config_directory(self.version, self.instance) / "postgresql.conf"

    def argv(self, *, restores: bool) -> list[str]:
        source = self.conninfo.text(dbname=DATABASE, application_name="runbook.postgres")
        argv = [str(bin_directory(self.version) / "pg_rewind"), f"--target-pgdata={self.data}"]
        argv += [f"--source-server={source}", "--no-ensure-shutdown"]
        if self.version >= _TOLD_SETTINGS:
            argv += [f"--config-file={self.settings}"]
            argv += ["--restore-target-wal"] if restores else []
        return argv


def restores(rewinding: Rewinding) -> bool:
    """Whether the instance's settings say how WAL comes back from an archive."""
    argv = [str(bin_directory(rewinding.version) / "postgres"), "-D", str(rewinding.data)]
    argv += ["-C", "restore_command", "-c", f"config_file={rewinding.settings}"]
    try:
        return bool(run_as_postgres(argv, _ASK_SECONDS).strip())
    except ProgramFailed as error:
        raise Refused(f"The settings of the instance in {rewinding.data} cannot be used: {error.words}.") from error


def try_out(rewinding: Rewinding) -> None:
    """Whether it would work; nothing is written."""
    _run(rewinding, "--dry-run")


def rewind(rewinding: Rewinding) -> None:
    _run(rewinding)


def _run(rewinding: Rewinding, *more: str) -> None:
    try:
        words = said([*rewinding.argv(restores=restores(rewinding)), *more], rewinding.seconds)
    except ProgramFailed as error:
        raise _told(error, rewinding) from error
    if _NOT_CHECKPOINTED in words:
        raise Problem(
            f"{rewinding.conninfo.place} was promoted and has not ended the checkpoint that follows, without which "
            "pg_rewind takes nothing for changed: wait for it, or run CHECKPOINT there, and run this again."
        )


def _told(error: ProgramFailed, rewinding: Rewinding) -> Problem:
    words = error.words.replace("pg_rewind: ", "").replace("fatal: ", "").replace("error: ", "")
    reason = "; ".join(each for each in words.split(" / ") if not each.startswith(_ON_ITS_WAY))
    if _GONE.search(reason):
        return Refused(
            f"pg_rewind does not find the WAL of {rewinding.data} back to where the ways parted, neither there nor in "
            f"an archive ({reason}): name this host for reinit to have its data moved aside and a new copy made."
        )
    return Problem(
        f"pg_rewind of {rewinding.data} from {rewinding.conninfo.place} failed: "
        f"{reason or error.sentence.rstrip('.')}. Mend the cause and run this again."
    )


def recover(rewinding: Rewinding) -> None:
    """A server that was killed gets its own recovery, alone and without anybody who could log in."""
    argv = [str(bin_directory(rewinding.version) / "postgres"), "--single", "-F", "-D", str(rewinding.data)]
    argv += ["-c", f"config_file={rewinding.settings}", "-c", "archive_mode=off", "template1"]
    try:
        run_as_postgres(argv, rewinding.seconds)
    except ProgramFailed as error:
        raise Problem(
            f"The data in {rewinding.data} cannot be recovered from its own WAL: {error.words or error.sentence}. "
            "Name this host for reinit to have it moved aside and a new copy made."
        ) from error


def bring_to_disk(rewinding: Rewinding) -> None:
    """For one that was killed after the last change and before all of it was on the disk."""
    argv = [str(bin_directory(rewinding.version) / "initdb"), "--sync-only", f"--pgdata={rewinding.data}"]
    run_as_postgres(argv, rewinding.seconds)
