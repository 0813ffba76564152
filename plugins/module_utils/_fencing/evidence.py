# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a fence shows for itself: read back after everything was done, or it is no proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan

FENCED, RELEASED = "fenced", "released"
STOP, COMMAND, BLOCK = "stop", "command", "block"


@dataclass(frozen=True)
class Evidence:
    """What was found, and a sentence for each thing that is not as it has to be."""

    seen: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        return not self.missing


class Method(Protocol):
    """A way to fence: looks, decides, acts, and looks again."""

    @property
    def title(self) -> str: ...

    def observe(self) -> Any: ...

    def plan(self, found: Any) -> Plan: ...

    def take(self, change: Any) -> None: ...

    def evidence(self, found: Any) -> Evidence: ...
