# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a part writes down before it does what has to be undone or finished, for a run that comes after a kill."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils import _files
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem

DIRECTORY = Path("/var/lib/runbook.postgres")
ENDED = "ended"


@dataclass(frozen=True)
class Note:
    """Of the last switchover that this host took part in."""

    token: str
    step: str
    told: str = ""

    @property
    def unfinished(self) -> bool:
        return self.step != ENDED


@dataclass(frozen=True)
class Notebook:
    """One for each thing on this host that can take part: an instance, or the pooler."""

    name: str
    directory: Path = DIRECTORY
    owner: str = "root"

    @property
    def path(self) -> Path:
        return self.directory / f"switchover-{self.name}.json"

    def read(self) -> Note | None:
        found = _files.observe(self.path)
        if found is None:
            return None
        try:
            known = json.loads(found.content)
            return Note(str(known["token"]), str(known["step"]), str(known["told"]))
        except (ValueError, KeyError, TypeError):
            raise Problem(f"{self.path} is not as it was written here: look at it, and remove it.") from None

    def write(self, note: Note) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = json.dumps({"token": note.token, "step": note.step, "told": note.told}) + "\n"
        _files.put(_files.File(self.path, content.encode(), self.owner, self.owner, 0o600), self.path)

    def end(self, told: str) -> None:
        """Whatever it was at is over."""
        known = self.read()
        if known is not None and known.unfinished:
            self.write(Note(known.token, ENDED, told))
