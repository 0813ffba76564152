# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every table observed and planned first, so that a refusal comes before any change; then each in a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused, TookTooLong
from ansible_collections.runbook.postgres.plugins.module_utils._patience import Patience
from ansible_collections.runbook.postgres.plugins.module_utils._policies.catalog import (
    as_printed,
    read_table,
    refuse_missing_roles,
)
from ansible_collections.runbook.postgres.plugins.module_utils._policies.plan import Create, Drop, Step, plan_policies
from ansible_collections.runbook.postgres.plugins.module_utils._policies.state import PUBLIC, Policy, Table, Wish
from ansible_collections.runbook.postgres.plugins.module_utils._session import (
    Session,
    compose,
    identifier,
    joined,
)
from ansible_collections.runbook.postgres.plugins.module_utils._tables import refuse_standby


@dataclass
class Job:
    """One table: what was found, what is to be done, and whether it was."""

    table: Table
    wish: Wish
    plan: Plan
    done: bool = False


def prepare(session: Session, wanted: Sequence[Wish]) -> list[Job]:
    refuse_standby(session)
    refuse_missing_roles(session, wanted)
    jobs: list[Job] = []
    for wish in wanted:
        try:
            jobs.append(_prepared(session, wish, jobs))
        except TookTooLong as error:
            raise Refused(
                f"{wish.table} could not be looked at: another session holds a lock on it; "
                "see who with pg_health_facts and run this again."
            ) from error
    return jobs


def _prepared(session: Session, wish: Wish, earlier: Sequence[Job]) -> Job:
    table = read_table(session, wish.table)
    if any(table.named.oid == job.table.named.oid for job in earlier):
        raise Refused(f"tables names {table.title} twice: give each table one entry.")
    wish = replace(wish, policies=tuple(as_printed(session, table, wish.policies)))
    return Job(table, wish, plan_policies(table, wish))


def apply(session: Session, jobs: Sequence[Job], patience: Patience) -> None:
    for job in jobs:
        if not job.plan.changed:
            continue
        script = [statement(step) for step in job.plan.changes]
        patience.tried(f"change the policies of {job.table.title}", partial(session.together, script))
        job.done = True


def statement(step: Step) -> Any:
    table = identifier(step.table.named.schema, step.table.named.name)
    if isinstance(step, Drop):
        return compose("DROP POLICY {name} ON {table}", name=identifier(step.policy.name), table=table)
    if isinstance(step, Create):
        return _creation(table, step.policy)
    return compose(f"ALTER TABLE {{table}} {step.action} ROW LEVEL SECURITY", table=table)


def _creation(table: Any, policy: Policy) -> Any:
    template = "CREATE POLICY {name} ON {table} AS {kind} FOR {command} TO {roles}"
    parts: dict[str, Any] = {
        "name": identifier(policy.name),
        "table": table,
        "kind": compose("PERMISSIVE" if policy.permissive else "RESTRICTIVE"),
        "command": compose(policy.command.upper()),
        "roles": joined(", ", [compose(PUBLIC) if each == PUBLIC else identifier(each) for each in policy.roles]),
    }
    # Written by the server, not by the user.
    if policy.using is not None:
        template += " USING ({using})"
        parts["using"] = _plain(policy.using)
    if policy.check is not None:
        template += " WITH CHECK ({check})"
        parts["check"] = _plain(policy.check)
    return compose(template, **parts)


def _plain(text: str) -> Any:
    return compose(text.replace("{", "{{").replace("}", "}}"))


def result(jobs: Sequence[Job], *, check_mode: bool) -> dict[str, Any]:
    return {
        "changed": any(job.plan.changed and (check_mode or job.done) for job in jobs),
        "tables": [_told(job) for job in jobs],
        "diff": [job.plan.diff(job.table.title) for job in jobs if job.plan.changed],
    }


def _told(job: Job) -> dict[str, Any]:
    created = _names(job.plan, Create)
    dropped = _names(job.plan, Drop)
    return {
        "table": job.table.title,
        "created": [name for name in created if name not in dropped],
        "replaced": [name for name in created if name in dropped],
        "dropped": [name for name in dropped if name not in created],
        "warnings": list(job.plan.warnings),
    }


def _names(plan: Plan, kind: type[Create] | type[Drop]) -> list[str]:
    return [step.policy.name for step in plan.changes if isinstance(step, kind)]
