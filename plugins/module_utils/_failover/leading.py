# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A pooler's part in a failover: clients wait, and are led to the standby in the moment in which it is primary.

What does not come about here is left as it is found, with the pools held back and written down as such: whoever called
it writes the pooler's file anew and lets them go on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer import holding
from ansible_collections.runbook.postgres.plugins.module_utils._switchover import pause, server
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.remote import Remote
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.words import HERE, Words

_COMMAND_SECONDS = 5.0


@dataclass(frozen=True)
class Asked:
    """The module's options."""

    # Addresses of all members, of those who are not to be led to any more, and of the one that takes over.
    members: tuple[str, ...]
    old: tuple[str, ...]
    new: str
    port: int
    auth_user: str
    pause_seconds: float
    wait_seconds: float

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Asked:
        return cls(
            tuple(given["members"]),
            tuple(given["old"]),
            str(given["new"]),
            int(given["port"]),
            str(given["auth_user"]),
            float(given["pause_limit"]),
            float(given["wait_limit"]),
        )


@dataclass
class Leading:
    asked: Asked
    token: str
    # What has been done so far, whether it comes to its end or not.
    result: dict[str, Any] = field(
        default_factory=lambda: {"led": False, "pools": [], "steps": [], "diff": [], "warnings": [], "durations": {}}
    )

    def prepare(self) -> None:
        """What could not be done is refused before anybody waits."""
        host = pause.running_here()
        self._repoint = pause.repointings(host, self.asked.old, self.asked.new)
        login = pause.parameters(host, self.asked.old, self.asked.port, self.asked.auth_user)
        words = Words(self.token)
        self._name, self._server = words.of(HERE), Remote(login(self.asked.new), words)
        names = dict.fromkeys(name for each in self._repoint for name in each.names)
        self.result["pools"] = list(names)
        self.result["steps"] = [f"lead {name} to {self.asked.new}" for name in names]
        self.result["diff"] = [entry for each in self._repoint for entry in each.change.diff()]

    def hold(self) -> None:
        begun = time.monotonic()
        _plan, said = holding.brought_about("paused", self.asked.members, self.asked.pause_seconds)
        self.result["warnings"] += said
        self._measured("pause_ms", begun)

    def lead(self) -> None:
        begun = time.monotonic()
        deadline = Deadline(self.asked.wait_seconds)
        if not server.until(lambda: self._server.writable(self._name), deadline):
            raise Problem(
                f"{self.asked.new} took no writes within {self.asked.wait_seconds:.0f} s, as this pooler asks it: its "
                "clients wait until they are led on."
            )
        self._server.close()
        self._measured("wait_ms", begun)
        begun = time.monotonic()
        pause.lead(self._repoint, self.asked.new)
        holding.brought_about("resumed", self.asked.members, _COMMAND_SECONDS, drop_stuck=True)
        self.result["led"] = True
        self._measured("lead_ms", begun)

    def _measured(self, name: str, begun: float) -> None:
        self.result["durations"][name] = round((time.monotonic() - begun) * 1000)
