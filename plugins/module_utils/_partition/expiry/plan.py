# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From what is past its time to the steps that let it go: pure, without a clock or a connection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Union

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.steps import size
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.part import (
    CONFIRM,
    DISCARD,
    KEEP,
    Part,
    Serial,
    file_of,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.state import Due, PlainTable, Policy


@dataclass(frozen=True)
class Left:
    """The last part that was made, where nobody knows yet what became of its rows."""

    manifest: Path
    part: Part
    verdict: str

    @property
    def file(self) -> Path:
        return self.manifest.with_name(self.part.file)


@dataclass(frozen=True)
class Settle:
    """What an interrupted run left becomes one thing or the other."""

    table: PlainTable
    left: Left

    @property
    def sentence(self) -> str:
        return {
            CONFIRM: f"confirm that the rows in {self.left.file} were deleted from {self.table.title}",
            DISCARD: f"remove {self.left.file}, whose rows are still in {self.table.title}",
            KEEP: f"keep {self.left.file}, though nobody knows whether its rows were deleted from {self.table.title}",
        }[self.left.verdict]


@dataclass(frozen=True)
class Leave:
    """Rows leave in batches; each is archived, where that is wanted, and deleted in one transaction."""

    table: PlainTable
    policy: Policy
    due: Due
    # What its first file is called by.
    first: Serial

    @property
    def batches(self) -> int:
        return -(-self.due.rows // self.policy.batch_rows)

    @property
    def sentence(self) -> str:
        verb = "delete" if self.policy.store is None else "archive and delete"
        return f"{verb} {self.due.words} of {self.table.title}, {condition(self.table, self.policy)}"


Step = Union[Settle, Leave]


def condition(table: PlainTable, policy: Policy) -> str:
    extra = "" if policy.where is None else f" and {' '.join(policy.where.split())}"
    return f"where {table.column} is below {policy.cutoff}{extra}"


def plan_expiry(table: PlainTable, policy: Policy, due: Due, left: Left | None, first: Serial) -> Plan:
    """first: what the first file is called by."""
    steps: list[Step] = [] if left is None else [Settle(table, left)]
    discarded = left is not None and left.verdict == DISCARD
    told = condition(table, policy)
    before, after = [], []
    if discarded and left is not None:
        before.append(str(left.file))
    warnings = []
    if left is not None and left.verdict == KEEP:
        warnings.append(
            f"Nobody knows whether the rows in {left.file} were deleted from {table.title}: "
            "the file stays, compare it with the table before its rows are put back."
        )
    if due.rows:
        step = Leave(table, policy, due, first)
        steps.append(step)
        before.append(f"{due.words} {told}, about {size(table.share(due.rows, due.rows))}")
        after.append(f"no rows {told}")
        after += _files(step)
    return Plan(changes=tuple(steps), warnings=tuple(warnings), before=tuple(before), after=tuple(after))


def _files(step: Leave) -> list[str]:
    store = step.policy.store
    if store is None:
        return []
    stem = step.table.stem(store)
    first = file_of(store, stem, step.first)
    if step.batches == 1 and step.due.exact:
        return [f"{first} with {step.due.words}"]
    last = file_of(store, stem, step.first.plus(step.batches - 1))
    about = "" if step.due.exact else "about "
    return [f"{about}{step.batches} files of {step.policy.batch_rows} rows each, from {first} to {last.name}"]
