# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a restore that failed says of its backup: that it is no good, or nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import open_backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.checks import CheckFailed
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem

# Of content that cannot be right, wherever it is restored. Of a role, an extension or room that is missing there,
# nothing is said here.
_OF_THE_CONTENT = re.compile(
    r"violates \w+(?: \w+)? constraint|could not create unique index|invalid input syntax|missing data for column"
    r"|extra data after last expected column|could not (?:read from input file|uncompress)|unexpected end of file"
    r"|did not find magic string"
)


@dataclass(frozen=True)
class Flaw:
    # How strong a proof finds it.
    level: str
    sentence: str


def flaw(error: Problem, directory: Path) -> Flaw | None:
    """What is wrong with the backup; None where its host or its server was in the way."""
    try:
        damage = open_backup(directory).damage()
    except (OSError, Problem):
        return None
    if damage:
        return Flaw("checksum", " ".join(damage))
    return next((Flaw("restore", each.sentence) for each in _causes(error) if _is_of_the_content(each)), None)


def _causes(error: BaseException | None) -> list[Problem]:
    """The first cause first."""
    found: list[Problem] = []
    while error is not None:
        if isinstance(error, Problem):
            found.insert(0, error)
        error = error.__cause__
    return found


def _is_of_the_content(error: Problem) -> bool:
    if isinstance(error, CheckFailed):
        # One that has a cause of its own could not be made.
        return error.__cause__ is None
    return isinstance(error, ProgramFailed) and error.code is not None and bool(_OF_THE_CONTENT.search(error.words))
