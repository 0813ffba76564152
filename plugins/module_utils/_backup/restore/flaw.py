# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a restore that failed says of its backup: that it is no good, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup.blame import blamed
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import open_backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.checks import CheckFailed
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem


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
    told = next((said for said in map(_against, _causes(error)) if said), None)
    return None if told is None else Flaw("restore", told)


def _causes(error: BaseException | None) -> list[Problem]:
    """The first cause first."""
    found: list[Problem] = []
    while error is not None:
        if isinstance(error, Problem):
            found.insert(0, error)
        error = error.__cause__
    return found


def _against(error: Problem) -> str | None:
    """What it says against the backup."""
    if isinstance(error, CheckFailed):
        # One that has a cause of its own could not be made.
        return error.sentence if error.__cause__ is None else None
    return blamed(error) if isinstance(error, ProgramFailed) else None
