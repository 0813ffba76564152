# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is told of a run: the same shape in check mode, where the steps are those that would be taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.steps import DropArchived
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archiving import archives_told
from ansible_collections.runbook.postgres.plugins.module_utils._partition.maintain import Upkeep
from ansible_collections.runbook.postgres.plugins.module_utils._partition.steps import (
    Create,
    CreateDefault,
    Detach,
    Drop,
    Fill,
    FinishDetach,
    RemoveDefault,
    Step,
)

if TYPE_CHECKING:
    from ansible_collections.runbook.postgres.plugins.module_utils._partition.apply import Done
    from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.converter import Taken


def result(jobs: Sequence[Upkeep]) -> dict[str, Any]:
    return {
        "changed": any(_changed(job) for job in jobs),
        "tables": [_told(job) for job in jobs],
        "diff": [job.plan.diff(job.found.table.title) for job in jobs if job.planned],
    }


def failures(jobs: Sequence[Upkeep]) -> str | None:
    found = [f"{job.found.table.title}: {job.failure}" for job in jobs if job.failure]
    return " ".join(found) or None


def _changed(job: Upkeep) -> bool:
    if job.applier is None:
        return job.planned
    return bool(job.applier.done) or (job.converter is not None and bool(job.converter.done))


def _told(job: Upkeep) -> dict[str, Any]:
    done = [] if job.applier is None else job.applier.done
    steps: list[Step] = list(job.plan.changes) if job.applier is None else [each.step for each in done]
    first = [] if job.converter is None else job.converter.done
    taken: list[Done | Taken] = [*first, *done]
    longest = [each.longest_attempt_seconds for each in (job.converter, job.applier) if each is not None]
    return {
        "table": job.found.table.title,
        "converted": _converted(job),
        "created": [*_laid(job), *_created(steps)],
        "moved_rows": sum(step.rows for step in steps if isinstance(step, Fill))
        if job.applier is None
        else sum(each.rows for each in done),
        "detached": [step.partition.name for step in steps if isinstance(step, (Detach, FinishDetach))],
        "archives": archives_told(job.plan, None if job.applier is None else job.applier.archiver),
        "dropped": [step.partition.name for step in steps if isinstance(step, (Drop, DropArchived, RemoveDefault))],
        "steps": [
            {"step": each.step.sentence, "seconds": round(each.seconds, 3), "attempts": each.attempts} for each in taken
        ],
        "longest_attempt_seconds": round(max(longest), 3) if longest else None,
        "warnings": list(job.plan.warnings),
        "failure": job.failure,
    }


def _laid(job: Upkeep) -> list[str]:
    """Partitions of a copy: those that are there when it has taken its table's place."""
    if job.conversion is None or (job.converter is not None and not _is_converted(job)):
        return []
    return list(job.conversion.created)


def _is_converted(job: Upkeep) -> bool:
    return job.converter is not None and job.converter.exchanged


def _converted(job: Upkeep) -> dict[str, Any] | None:
    if job.conversion is None or not job.conversion.kept_as or (job.converter is not None and not _is_converted(job)):
        return None
    return {
        "how": job.conversion.intent.how,
        "kept_as": job.conversion.kept_as,
        "widened": list(job.conversion.widened),
        "rows": None if job.converter is None else job.converter.compared,
    }


def _created(steps: Sequence[Step]) -> list[str]:
    made = [step for step in steps if isinstance(step, (Create, CreateDefault, Fill))]
    return [step.name for step in made if not (isinstance(step, Fill) and step.grown is not None)]
