# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every table observed and planned first, so that a refusal comes before any change; then each applied by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused, TookTooLong, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._partition.alone import hold
from ansible_collections.runbook.postgres.plugins.module_utils._partition.apply import Applier, Manner
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.archiver import Archiver
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.preflight import refuse_too_full
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.steps import DropArchived
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archiving import (
    archives,
    archives_told,
    ready,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import INTEGER
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import (
    PLACE,
    Found,
    read_highest,
    read_name,
    read_table,
    read_taken,
    refuse_tablespace,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.default import read_default
from ansible_collections.runbook.postgres.plugins.module_utils._partition.plan import missing_periods, plan_partitions
from ansible_collections.runbook.postgres.plugins.module_utils._partition.request import Wish
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
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session


@dataclass
class Upkeep:
    """One table: what was found, what is to be done, and what became of it."""

    wish: Wish
    found: Found
    plan: Plan
    applier: Applier | None = None
    failure: str | None = field(default=None)

    @property
    def schema(self) -> str:
        return self.found.table.schema


def prepare(session: Session, wanted: Sequence[Wish], *, alone: bool) -> list[Upkeep]:
    """Nothing is changed here, and nothing is changed anywhere if one of the tables is refused.

    alone: no other run may look after these tables until this one has ended.
    """
    place = session.fetch(PLACE)[0]
    if place["standby"]:
        raise Refused("This server is a standby, which takes no changes: run this on its primary.")
    jobs: list[Upkeep] = []
    for wish in wanted:
        try:
            if alone:
                hold(session, *read_name(session, wish.table))
            job = _prepared(session, wish, place["now"], jobs)
        except TookTooLong as error:
            raise Refused(
                f"{wish.table} could not be looked at: another session holds a lock on it or on one of its "
                "partitions; see who with pg_health_facts and run this again."
            ) from error
        jobs.append(job)
    refuse_too_full([step for job in jobs for step in archives(job.plan)])
    return jobs


def _prepared(session: Session, wish: Wish, now: int, earlier: Sequence[Upkeep]) -> Upkeep:
    found = read_table(session, wish.table, session.major)
    if any(found.table.oid == job.found.table.oid for job in earlier):
        raise Refused(f"tables names {found.table.title} twice: give each table one entry.")
    policy = wish.policy(found.table.kind)
    if found.table.kind == INTEGER:
        highest = read_highest(session, found)
        now = (policy.start or 0) if highest is None else highest
    refuse_tablespace(session, wish.tablespace)
    missing = missing_periods(found.table, policy, now)
    held = read_default(session, found, missing, policy)
    taken = frozenset[str]()
    if missing or policy.default_partition != "ignore":
        # Names that other tables of this call are about to give are taken as well.
        schema = found.table.schema
        taken = read_taken(session, found).union(*(names_made(job) for job in earlier if job.schema == schema))
    found = replace(found, table=replace(found.table, taken=taken, in_default=held))
    found, policy = ready(session, found, policy, now)
    plan = plan_partitions(found.table, policy, now)
    if plan.refusals:
        raise Refused(" ".join(plan.refusals))
    return Upkeep(wish, found, plan)


def names_made(job: Upkeep) -> list[str]:
    return [step.name for step in job.plan.changes if isinstance(step, (Create, CreateDefault, Fill))]


def apply(session: Session, jobs: Sequence[Upkeep], manner: Manner, connect: Callable[[], CopyConnection]) -> None:
    """A table that cannot be finished does not keep the others from it; a server that is gone does."""
    appliers = [
        Applier(session, job.found, manner, job.wish.tablespace, Archiver(connect, manner.milliseconds)) for job in jobs
    ]
    for job, applier in zip(jobs, appliers):
        # Before the first step: what never came to be tried was not done.
        job.applier = applier
    for job, applier in zip(jobs, appliers):
        try:
            for step in job.plan.changes:
                applier.take(step)
        except Unreachable as error:
            job.failure = error.sentence
            return
        except Problem as error:
            job.failure = error.sentence


def result(jobs: Sequence[Upkeep]) -> dict[str, Any]:
    """The same shape in check mode, where the steps are those that would be taken."""
    return {
        "changed": any(_changed(job) for job in jobs),
        "tables": [_told(job) for job in jobs],
        "diff": [job.plan.diff(job.found.table.title) for job in jobs if job.plan.changed],
    }


def failures(jobs: Sequence[Upkeep]) -> str | None:
    found = [f"{job.found.table.title}: {job.failure}" for job in jobs if job.failure]
    return " ".join(found) or None


def _changed(job: Upkeep) -> bool:
    return job.plan.changed if job.applier is None else bool(job.applier.done)


def _told(job: Upkeep) -> dict[str, Any]:
    done = [] if job.applier is None else job.applier.done
    steps: list[Step] = list(job.plan.changes) if job.applier is None else [each.step for each in done]
    return {
        "table": job.found.table.title,
        "created": _created(steps),
        "moved_rows": sum(step.rows for step in steps if isinstance(step, Fill))
        if job.applier is None
        else sum(each.rows for each in done),
        "detached": [step.partition.name for step in steps if isinstance(step, (Detach, FinishDetach))],
        "archives": archives_told(job.plan, None if job.applier is None else job.applier.archiver),
        "dropped": [step.partition.name for step in steps if isinstance(step, (Drop, DropArchived, RemoveDefault))],
        "steps": [
            {"step": each.step.sentence, "seconds": round(each.seconds, 3), "attempts": each.attempts} for each in done
        ],
        "longest_attempt_seconds": None if job.applier is None else round(job.applier.longest_attempt_seconds, 3),
        "warnings": list(job.plan.warnings),
        "failure": job.failure,
    }


def _created(steps: Sequence[Step]) -> list[str]:
    made = [step for step in steps if isinstance(step, (Create, CreateDefault, Fill))]
    return [step.name for step in made if not (isinstance(step, Fill) and step.grown is not None)]
