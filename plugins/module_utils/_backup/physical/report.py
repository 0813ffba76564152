# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a run says of itself: what it did or would do, and the backup that serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Entry
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.plan import Expire, Take, Wish, stays
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan


@dataclass(frozen=True)
class Outcome:
    """How long it took, and of what is past its retention what went and what did not; None where that is not known."""

    seconds: float | None = None
    gone: tuple[str, ...] | None = None
    stayed: tuple[str, ...] = ()


def told(plan: Plan, wish: Wish, outcome: Outcome, entry: Entry | None, more: Sequence[str]) -> dict[str, Any]:
    about = entry.told() if entry else {}
    foreseen = [name for step in plan.changes if isinstance(step, Expire) for name in step.ids]
    leaving = foreseen if outcome.gone is None else outcome.gone
    seconds = outcome.seconds
    result: dict[str, Any] = {
        "changed": plan.changed,
        "steps": [step.sentence for step in plan.changes],
        "taken": any(isinstance(step, Take) for step in plan.changes),
        "removed": [{"id": each, "why": "past its retention", "place": f"repo={wish.repository}"} for each in leaving],
        "warnings": [*plan.warnings, *map(stays, outcome.stayed), *more],
        "id": about.get("id"),
        "path": about.get("place"),
        "bytes": about.get("stored_bytes"),
        "lsn": about.get("lsn_start"),
        "verified": about.get("verified"),
        "copies": about.get("copies"),
        "age_seconds": int((datetime.now(timezone.utc) - entry.stopped).total_seconds()) if entry else None,
        "duration": seconds,
        "throughput": int(entry.bytes / seconds) if entry and seconds else None,
        "compression_ratio": round(entry.bytes / max(1, entry.stored_bytes), 2) if entry and seconds else None,
    }
    if plan.changed:
        result["diff"] = plan.diff(f"backups of {wish.title}")
    return result
