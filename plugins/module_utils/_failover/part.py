# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What one host does in the moment of a failover: the standby is promoted, others and poolers are led to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _claim
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._failover.following import Following, tried
from ansible_collections.runbook.postgres.plugins.module_utils._failover.leading import Asked, Leading
from ansible_collections.runbook.postgres.plugins.module_utils._promote.run import become_primary
from ansible_collections.runbook.postgres.plugins.module_utils._session import DRIVER_MISSING

# How long a run has to be able to count on its claim when it comes here. Hosts are claimed one after the other, so that
# those of the others may end some seconds earlier.
LEFT_SECONDS = 10.0
_UNASKED = {"resume_replay": False, "allow_apply_delay": False}
_TOLD = ("changed", "diff", "steps", "warnings")


@dataclass
class Part:
    """What has come about so far is told whether it comes to its end or not."""

    claim: str
    held: bool = False
    promoted: dict[str, Any] = field(default_factory=dict)
    leading: Leading | None = None
    problem: str = ""
    followed: dict[str, Any] | None = None

    def take(self, options: Mapping[str, Any], *, check_mode: bool) -> None:
        if check_mode:
            _claim.judge(self.claim)
        else:
            _claim.renew(self.claim, options["by"], float(options["claim_seconds"]), LEFT_SECONDS)
        self.held = True
        if options["pools"]:
            self._hold(Asked.of(options["pools"]), check_mode=check_mode)
        if options["promote"]:
            asked = {**_UNASKED, **options["promote"], "claim": self.claim}
            become_primary(asked, self.promoted, check_mode=check_mode)
        if self.leading is not None and not self.problem and not check_mode:
            self._tried(self.leading.lead)
        if options["follow"] and not check_mode:
            following = Following.of(options["follow"])
            problem = tried(following)
            self.followed = {**following.result, "problem": problem or None}

    def _hold(self, asked: Asked, *, check_mode: bool) -> None:
        self.leading = Leading(asked, self.claim)
        if DRIVER_MISSING is not None:
            self.problem = "Python's driver psycopg2 is not installed on this pooler."
            return
        self._tried(self.leading.prepare)
        if not self.problem and not check_mode:
            self._tried(self.leading.hold)

    def _tried(self, step: Any) -> None:
        """That a pooler cannot is no reason to promote nobody, and there is another way to lead it on."""
        try:
            step()
        except Problem as problem:
            self.problem = problem.sentence

    def result(self, *, check_mode: bool) -> dict[str, Any]:
        promoted = {name: value for name, value in self.promoted.items() if name not in _TOLD}
        told: dict[str, Any] = {
            "held": self.held,
            "changed": bool(self.promoted.get("changed")),
            "diff": [self.promoted["diff"]] if self.promoted.get("changed") else [],
            "steps": list(self.promoted.get("steps", ())),
            "promoted": promoted or None,
            "pooled": None,
            "followed": self.followed,
            "warnings": list(self.promoted.get("warnings", ())),
        }
        if self.followed and self.followed["asks"]:
            told["changed"] = True
            told["steps"].append(f"ask {', '.join(self.followed['asks'])} in this order for the primary")
        if self.leading is not None:
            pooled = dict(self.leading.result)
            done = pooled["led"] or (check_mode and not self.problem)
            warnings, diff, steps = (pooled.pop(name) for name in ("warnings", "diff", "steps"))
            told.update(pooled={**pooled, "problem": self.problem or None}, warnings=[*told["warnings"], *warnings])
            if done:
                told.update(changed=True, diff=[*told["diff"], *diff], steps=[*told["steps"], *steps])
        return told
