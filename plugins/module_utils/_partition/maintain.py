# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every table observed and planned, before the first one is changed: a refusal comes before any change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused, TookTooLong
from ansible_collections.runbook.postgres.plugins.module_utils._partition.alone import hold
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archiving import (
    archives,
    ready,
    refuse_to_archive_at_once,
    refuse_where_full,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import INTEGER
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import (
    PLACE,
    Found,
    look_up,
    read_table,
    read_taken,
    refuse_tablespace,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.default import read_default
from ansible_collections.runbook.postgres.plugins.module_utils._partition.listing import before
from ansible_collections.runbook.postgres.plugins.module_utils._partition.plan import missing_periods, plan_partitions
from ansible_collections.runbook.postgres.plugins.module_utils._partition.position import read_highest
from ansible_collections.runbook.postgres.plugins.module_utils._partition.request import Wish
from ansible_collections.runbook.postgres.plugins.module_utils._partition.steps import Create, CreateDefault, Fill
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

if TYPE_CHECKING:
    from ansible_collections.runbook.postgres.plugins.module_utils._partition.apply import Applier
    from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.converter import Converter
    from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.observe import Prepared
    from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.plan import Conversion


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
    refuse_where_full([step for job in jobs for step in archives(job.plan)])
    return jobs


def _prepared(session: Session, wish: Wish, now: int, earlier: Sequence[Upkeep]) -> Upkeep:
    intent = wish.conversion
    if intent is None:
        return planned(session, wish, now, earlier)
    # Where this runs modules are compiled each time anew: what is not asked for need not be.
    from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.observe import (  # noqa: PLC0415
        prepared,
    )

    return planned(session, wish, now, earlier, prepared(session, wish, intent, now))


def planned(session: Session, wish: Wish, now: int, earlier: Sequence[Upkeep], first: Prepared | None = None) -> Upkeep:
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
            # Where all that is to be done is to convert it, nothing of this was listed.
            listed = plan.after or before(found.table)
            plan = replace(plan, before=conversion.before, after=(*listed, *conversion.after))
    return Upkeep(wish, found, plan, conversion)


def names_made(job: Upkeep) -> list[str]:
    made = [step.name for step in job.plan.changes if isinstance(step, (Create, CreateDefault, Fill))]
    return made if job.conversion is None else [*made, *job.conversion.created, job.conversion.kept_as]
