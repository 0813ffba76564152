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
from ansible_collections.runbook.postgres.plugins.module_utils._partition.apply import Applier, Done, Manner
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.archiver import Archiver
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.preflight import refuse_too_full
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.steps import DropArchived
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archiving import (
    archives,
    archives_told,
    ready,
    refuse_to_archive_at_once,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import INTEGER
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import (
    PLACE,
    Found,
    look_up,
    read_highest,
    read_table,
    read_taken,
    refuse_tablespace,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.converter import Converter, Taken
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.observe import Prepared, prepared
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.plan import Conversion
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.steps import Envelop, Exchange
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
    # Where it is not partitioned yet: the plan is then for what it will be.
    conversion: Conversion | None = None
    converter: Converter | None = None
    applier: Applier | None = None
    failure: str | None = field(default=None)

    @property
    def planned(self) -> bool:
        return self.plan.changed or self.conversion is not None

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
                row = look_up(session, wish.table)
                hold(session, row["oid"], f"{row['schema']}.{row['name']}")
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
    intent = wish.conversion
    first = None if intent is None else prepared(session, wish, intent, now)
    return _planned(session, wish, now, earlier, first)


def _planned(
    session: Session, wish: Wish, now: int, earlier: Sequence[Upkeep], first: Prepared | None = None
) -> Upkeep:
    """What its policy asks for, of the table as it is or as it will be when it is converted."""
    becomes = None if first is None else first.found
    found = read_table(session, wish.table, session.major) if becomes is None else becomes
    if any(found.table.oid == job.found.table.oid for job in earlier):
        raise Refused(f"tables names {found.table.title} twice: give each table one entry.")
    policy = wish.policy(found.table.kind)
    if found.table.kind == INTEGER:
        if first is not None and becomes is not None:
            now = first.now
        else:
            highest = read_highest(session, found)
            now = (policy.start or 0) if highest is None else highest
    refuse_tablespace(session, wish.tablespace)
    missing = missing_periods(found.table, policy, now)
    held = read_default(session, found, missing, policy)
    taken = found.table.taken
    if missing or policy.default_partition != "ignore":
        # Names that other tables of this call are about to give are taken as well.
        schema = found.table.schema
        there = read_taken(session, found) if becomes is None else taken
        taken = there.union(*(names_made(job) for job in earlier if job.schema == schema))
    found = replace(found, table=replace(found.table, taken=taken, in_default=held))
    if becomes is None:
        found, policy = ready(session, found, policy, now)
    else:
        refuse_to_archive_at_once(found, policy, now)
    plan = plan_partitions(found.table, policy, now)
    if plan.refusals:
        raise Refused(" ".join(plan.refusals))
    conversion = None if first is None else first.conversion
    if conversion is not None:
        plan = replace(plan, warnings=(*conversion.warnings, *plan.warnings))
        if becomes is not None:
            plan = replace(plan, before=conversion.before, after=(*plan.after, *conversion.after))
    return Upkeep(wish, found, plan, conversion)


def names_made(job: Upkeep) -> list[str]:
    made = [step.name for step in job.plan.changes if isinstance(step, (Create, CreateDefault, Fill))]
    return made if job.conversion is None else [*made, *job.conversion.created, job.conversion.kept_as]


def apply(session: Session, jobs: Sequence[Upkeep], manner: Manner, connect: Callable[[], CopyConnection]) -> None:
    """A table that cannot be finished does not keep the others from it; a server that is gone does."""

    def applier(job: Upkeep) -> Applier:
        job.applier = Applier(session, job.found, manner, job.wish.tablespace, Archiver(connect, manner.milliseconds))
        return job.applier

    for job in jobs:
        # Before the first step: what never came to be tried was not done.
        applier(job)
        if job.conversion is not None:
            job.converter = Converter(session, manner.lock_seconds, manner.retries, manner.drain_batch)
    for job in jobs:
        try:
            steps = job.plan.changes
            if job.conversion is not None and job.converter is not None:
                job.converter.take_all(job.conversion.steps)
                # Now it is what it was only going to be, and has an identity of its own.
                real = _planned(session, job.wish, session.fetch(PLACE)[0]["now"], ())
                job.found, steps = real.found, real.plan.changes
            taker = applier(job)
            for step in steps:
                taker.take(step)
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
    done = [] if job.converter is None else job.converter.done
    return any(isinstance(each.step, (Envelop, Exchange)) for each in done)


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
