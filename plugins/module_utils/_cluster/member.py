# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One member of a cluster as it was seen, in the words that the decision about it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch, later

# What PostgreSQL keeps of a name.
LONGEST_NAME = 63


def member_name(name: str) -> str:
    """What a node is called where PostgreSQL knows it: its slots and its cluster_name."""
    return re.sub(r"[^a-z0-9_]", "_", name.lower())[:LONGEST_NAME]


@dataclass(frozen=True)
class Member:
    name: str
    # None if it could not be reached.
    facts: Mapping[str, Any] | None

    @property
    def reachable(self) -> bool:
        return self.facts is not None

    @property
    def instance(self) -> Mapping[str, Any]:
        return dict((self.facts or {}).get("instance") or {})

    @property
    def promoters(self) -> Sequence[str]:
        return ((self.facts or {}).get("machine") or {}).get("promoters") or ()

    @property
    def state(self) -> str:
        return str(self.instance.get("state", "unknown"))

    @property
    def blank(self) -> bool:
        """Nothing is lost when an instance is made here."""
        return self.state in ("absent", "empty") and not self.instance.get("has_data")

    @property
    def unmounted(self) -> bool:
        """Nothing is there, and the disk that it would be on is not either."""
        return self.blank and self.instance.get("problem") is not None

    @property
    def foreign(self) -> bool:
        return self.state == "foreign"

    @property
    def silent(self) -> bool:
        """It has a server, or data, that does not tell what it is."""
        return self.state == "broken" or (self.state == "running" and self.role is None)

    @property
    def has_data(self) -> bool:
        return self.reachable and not self.blank

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def kept_stopped(self) -> str | None:
        """What start.conf says of one that is stopped, where that is not that it starts by itself."""
        start = self.instance.get("start")
        return str(start) if self.state == "stopped" and start not in (None, "auto") else None

    @property
    def role(self) -> str | None:
        return self.instance.get("role")

    @property
    def primary(self) -> bool:
        """A running server that takes writes."""
        return self.running and self.role == "primary"

    @property
    def streams(self) -> bool:
        """A running standby that another member sends WAL to."""
        upstream = self.instance.get("upstream") or {}
        return self.running and self.role == "standby" and upstream.get("status") == "streaming"

    @property
    def system_identifier(self) -> str | None:
        return self.instance.get("system_identifier")

    @property
    def problem(self) -> str:
        return str(self.instance.get("problem") or "what it is cannot be told.")

    @property
    def branch(self) -> Branch | None:
        timeline = self.instance.get("timeline")
        if timeline is None:
            return None
        seen = self.instance
        lsn = later(seen.get("receive_lsn"), seen.get("replay_lsn"), seen.get("current_lsn"))
        return Branch.of(int(timeline), lsn, seen.get("history") or ())

    @property
    def reach(self) -> str:
        branch = self.branch
        return f"timeline {branch.timeline}, {branch.lsn}" if branch else "position unknown"
