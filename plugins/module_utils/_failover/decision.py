# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is decided: who becomes primary by which steps, or why nobody does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Refusal:
    """Why it is not done: a code that stays the same, for those who look it up, and one sentence."""

    code: str
    sentence: str
    node: str | None = None


@dataclass(frozen=True)
class Step:
    """What is done where."""

    step: str
    node: str
    sentence: str


@dataclass(frozen=True)
class Decision:
    candidate: str | None = None
    # The primary that is replaced.
    primary: str | None = None
    # Who follows the candidate then, beside the old primary.
    siblings: tuple[str, ...] = ()
    poolers: tuple[str, ...] = ()
    # Who may take writes, or come back and do, and is not proven to be kept from it.
    fence: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    evidence: tuple[str, ...] = ()
    # What is acknowledged and may be missing then; None where nobody can tell.
    loss_bytes: int | None = 0
    # Up to where the candidate has the cluster's WAL.
    reached: str | None = None
    # Whether commits wait for a standby until the old primary, or another one, follows.
    commits_wait: bool = False

    def result(self) -> dict[str, Any]:
        """As plain values; with a refusal there is nothing to be done."""
        return {
            "candidate": self.candidate,
            "primary": self.primary,
            "siblings": list(self.siblings),
            "poolers": list(self.poolers),
            "fence": list(self.fence),
            "steps": [] if self.refusals else [vars(each) for each in self.steps],
            "refusals": [vars(each) for each in self.refusals],
            "evidence": list(self.evidence),
            "loss_bytes": self.loss_bytes,
            "reached": self.reached,
            "commits_wait": self.commits_wait,
        }


def several(names: Iterable[str]) -> str:
    return " and ".join(names)
