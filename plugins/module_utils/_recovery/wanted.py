# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is asked of a recovery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Target

REFUSE, STOP, STOP_LAST = "refuse", "stop", "stop_last"
PROMOTED, PAUSED = "promoted", "paused"


@dataclass(frozen=True)
class Wanted:
    """What was asked for."""

    place: Place
    target: Target
    stanza: str
    # None is the latest that the archive knows.
    timeline: int | None = None
    label: str | None = None
    end: str = PROMOTED
    # Whether it goes on archiving as its configuration says; a server beside production must not.
    archives: bool = True
    running_server: str = REFUSE
    leave_standbys: bool = False
    system_identifier: str | None = None
    # Of another cluster's data that may be moved aside.
    replaces: str | None = None
    again: bool = False
    # Tablespaces by name or oid, each with the directory that it is to have.
    tablespace_map: Mapping[str, str] = field(default_factory=dict)
    # To name what is moved aside.
    stamp: str = ""

    @property
    def title(self) -> str:
        return f"{self.place.version}/{self.place.instance}"

    @property
    def request(self) -> dict[str, Any]:
        """What makes two runs the same one."""
        told: dict[str, Any] = {} if self.archives else {"archives": False}
        told |= {"tablespace_map": dict(self.tablespace_map)} if self.tablespace_map else {}
        return {
            **told,
            "stanza": self.stanza,
            "target": self.target.kind,
            "value": self.target.value,
            "inclusive": self.target.inclusive,
            "timeline": self.timeline,
            "label": self.label,
        }
