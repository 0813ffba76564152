# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What has to be done so that an instance does not run and cannot start, or may again; nothing is asked or changed.

Two locks, since each has a way around it. What start.conf calls disabled no tool of Debian's starts, whoever calls it;
a masked unit starts for nobody, whatever depends on it. What both were before is written down until it is put back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._debian import start_of
from ansible_collections.runbook.postgres.plugins.module_utils._fencing.evidence import FENCED

DISABLED = "# Fenced by runbook.postgres; pg_fence (state: released) puts back what was here.\ndisabled\n"


@dataclass(frozen=True)
class Record:
    """How the instance was kept before it was fenced."""

    start: str | None
    masked: bool

    def text(self) -> str:
        return json.dumps({"start": self.start, "masked": self.masked}) + "\n"


@dataclass(frozen=True)
class Found:
    running: frozenset[int]
    attached: int
    listening: frozenset[int]
    # start.conf whole, None where there is none.
    start: str | None
    masked: bool
    record: Record | None
    # Programs that start servers past systemd and Debian's tools.
    promoters: tuple[str, ...] = ()

    @property
    def disabled(self) -> bool:
        return start_of(self.start) == "disabled"

    @property
    def lines(self) -> list[str]:
        locks = f"start.conf {start_of(self.start)}, unit {'masked' if self.masked else 'not masked'}"
        return ["runs" if self.running or self.attached else "does not run", locks]


@dataclass(frozen=True)
class WriteRecord:
    record: Record
    sentence: str = "write down how it starts"


@dataclass(frozen=True)
class Disable:
    sentence: str = "have Debian's tools not start it"


@dataclass(frozen=True)
class StopServer:
    sentence: str = "stop it"


@dataclass(frozen=True)
class Mask:
    sentence: str = "mask its unit"


@dataclass(frozen=True)
class PutBack:
    start: str | None
    sentence: str = "put start.conf back"


@dataclass(frozen=True)
class Unmask:
    sentence: str = "unmask its unit"


@dataclass(frozen=True)
class Forget:
    sentence: str = "forget how it was"


def plan_stop(found: Found, state: str) -> Plan:
    if state == FENCED and found.promoters:
        names = " and ".join(found.promoters)
        refusal = f"{names} runs on this host and would start the instance again: stop {names} here first."
        return Plan(refusals=(refusal,))
    changes = _fencing(found) if state == FENCED else _releasing(found)
    if not changes:
        return Plan()
    return Plan(tuple(changes), before=found.lines, after=_after(found, state))


def _fencing(found: Found) -> list[Any]:
    """First nobody starts it, then it stops: a unit may be told to start again what ends."""
    changes: list[Any] = []
    record = Record(found.start, found.masked)
    # One beside an instance that nothing holds is of a fence that somebody undid by hand.
    if found.record is None or (not found.disabled and not found.masked and found.record != record):
        changes.append(WriteRecord(record))
    if not found.disabled:
        changes.append(Disable())
    if found.running or found.attached:
        changes.append(StopServer())
    # Masked before, systemd would no longer know how to stop it.
    if not found.masked:
        changes.append(Mask())
    return changes


def _releasing(found: Found) -> list[Any]:
    record = found.record
    if record is None:
        return []
    changes: list[Any] = []
    # What somebody wrote there since is theirs.
    if found.start == DISABLED and record.start != DISABLED:
        changes.append(PutBack(record.start))
    if found.masked and not record.masked:
        changes.append(Unmask())
    return [*changes, Forget()]


def _after(found: Found, state: str) -> list[str]:
    if state == FENCED or found.record is None:
        return ["does not run", "start.conf disabled, unit masked"]
    start = found.record.start if found.start == DISABLED else found.start
    locks = f"start.conf {start_of(start)}, unit {'masked' if found.record.masked else 'not masked'}"
    return [found.lines[0], locks]
