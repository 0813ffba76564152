# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One table whose old rows leave: what was found, what is to be done, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.batch import (
    Batch,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.state import Due, PlainTable, Policy


@dataclass
class Outcome:
    """What became of one table's rows."""

    batches: list[Batch] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    seconds: float = 0.0
    longest_lock_wait_seconds: float = 0.0
    waited_for_replicas_seconds: float = 0.0
    finished: bool = False
    failure: str | None = None
    warnings: list[str] = field(default_factory=list)

    # The server went away while it was asked to commit.
    in_doubt: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.batches or self.settled or self.in_doubt)

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.batches)


@dataclass
class Expiry:
    """One table: what was found, what is to be done, and what became of it."""

    table: PlainTable
    policy: Policy
    due: Due
    plan: Plan
    outcome: Outcome | None = None
