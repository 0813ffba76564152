# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is told of a run: the same shape in check mode, where the files are those that would be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.batch import (
    Batch,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.job import Expiry
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.part import (
    file_of,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.plan import (
    Leave,
    Settle,
)

# More names than this are of no use to anybody who reads a check.
MOST_FORETOLD = 1000


def result(jobs: Sequence[Expiry]) -> dict[str, Any]:
    return {
        "changed": any(_changed(job) for job in jobs),
        "tables": [_told(job) for job in jobs],
        "diff": [job.plan.diff(job.table.title) for job in jobs if job.plan.changed],
    }


def failures(jobs: Sequence[Expiry]) -> str | None:
    found = [f"{job.table.title}: {job.outcome.failure}" for job in jobs if job.outcome and job.outcome.failure]
    return " ".join(found) or None


def _changed(job: Expiry) -> bool:
    return job.plan.changed if job.outcome is None else job.outcome.changed


def _told(job: Expiry) -> dict[str, Any]:
    done = job.outcome
    told = {
        "table": job.table.title,
        "cutoff": job.policy.cutoff,
        "due_rows": job.due.rows,
        "due_exact": job.due.exact,
    }
    if done is None:
        steps = [step for step in job.plan.changes if isinstance(step, Leave)]
        return {
            **told,
            "rows": sum(step.due.rows for step in steps),
            "batches": sum(step.batches for step in steps),
            "files": [line for step in steps for line in _foretold(step)],
            "settled": [step.sentence for step in job.plan.changes if isinstance(step, Settle)],
            "finished": True,
            "seconds": None,
            "longest_lock_wait_seconds": None,
            "waited_for_replicas_seconds": None,
            "warnings": list(job.plan.warnings),
            "failure": None,
        }
    return {
        **told,
        "rows": done.rows,
        "batches": len(done.batches),
        "files": [_file(each) for each in done.batches if each.part is not None],
        "settled": done.settled,
        "finished": done.finished,
        "seconds": round(done.seconds, 3),
        "longest_lock_wait_seconds": round(done.longest_lock_wait_seconds, 3),
        "waited_for_replicas_seconds": round(done.waited_for_replicas_seconds, 3),
        "warnings": [*job.plan.warnings, *done.warnings],
        "failure": done.failure,
    }


_UNKNOWN = ("rows", "bytes", "sha256", "file_bytes", "file_sha256", "verified", "offsite")


def _foretold(step: Leave) -> list[dict[str, Any]]:
    store = step.policy.store
    if store is None:
        return []
    stem, serials = step.table.stem(store), [step.first.plus(n) for n in range(min(step.batches, MOST_FORETOLD))]
    return [{"file": str(file_of(store, stem, each)), **dict.fromkeys(_UNKNOWN)} for each in serials]


def _file(batch: Batch) -> dict[str, Any]:
    part = batch.part
    known = {name: getattr(part, name) for name in _UNKNOWN}
    known["offsite"] = None if batch.compared is None else f"{known['offsite']}, {batch.compared}"
    return {"file": str(batch.file), **known}
