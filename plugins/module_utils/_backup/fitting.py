# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which backups hold what is to be restored, and so can be the latest one: for the host that restores, and for whoever
asks others whether they have a newer one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import ALL, SAFETY, SCHEMA


@dataclass(frozen=True)
class Asked:
    """What is to be restored, as it was written; a whole database where neither is named."""

    tables: Sequence[str] = ()
    schemas: Sequence[str] = ()

    def fits(self, content: str, held: Sequence[str], label: str) -> bool:
        """Whether a backup of these tables, or of all, holds it; none that a restore took of what it replaced."""
        if label == SAFETY:
            return False
        if self.schemas or not self.tables:
            return content == ALL and not held
        return content != SCHEMA and (not held or self._named(held))

    def _named(self, held: Sequence[str]) -> bool:
        """A table that is written otherwise is found in a backup that is named by its id."""
        known = {*held, *(each[len("public.") :] for each in held if each.startswith("public."))}
        return set(self.tables) <= known
