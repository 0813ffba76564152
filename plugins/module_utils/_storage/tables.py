# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the server is asked about the storage parameters of tables, and how they are set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Refused, TookTooLong
from ansible_collections.runbook.postgres.plugins.module_utils._patience import Patience
from ansible_collections.runbook.postgres.plugins.module_utils._session import (
    Session,
    compose,
    identifier,
    joined,
    literal,
)
from ansible_collections.runbook.postgres.plugins.module_utils._storage.settings import (
    Alter,
    Storage,
    Wanted,
    plan_settings,
)
from ansible_collections.runbook.postgres.plugins.module_utils._tables import Named, named, refuse_standby

# Of a partitioned table its partitions, since it holds no rows of its own and takes no parameters.
SETTINGS = """
SELECT n.nspname::text AS schema, c.relname::text AS name,
       coalesce((SELECT array_agg(option_name || '=' || coalesce(option_value, ''))
                   FROM pg_options_to_table(c.reloptions)), '{}') AS own,
       coalesce((SELECT array_agg('toast.' || option_name || '=' || coalesce(option_value, ''))
                   FROM pg_options_to_table(t.reloptions)), '{}') AS toast
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
 WHERE c.relkind = 'r'
   AND (c.oid = %(oid)s OR c.oid IN (SELECT relid FROM pg_partition_tree(%(oid)s::oid::regclass) WHERE isleaf))
 ORDER BY n.nspname, c.relname
"""


@dataclass
class Job:
    """One entry of `tables`: what was found, what is to be done, and how much of it was."""

    table: Named
    plan: Plan
    done: int = 0


def prepare(session: Session, wanted: Sequence[tuple[str, Wanted]]) -> list[Job]:
    refuse_standby(session)
    jobs: list[Job] = []
    for name, settings in wanted:
        table = named(session, name)
        if any(table.oid == job.table.oid for job in jobs):
            raise Refused(f"tables names {table.title} twice: give each table one entry.")
        job = Job(table, plan_settings(_found(session, table), settings))
        if job.plan.changed:
            _refuse_unknown(session, table, settings)
        jobs.append(job)
    return jobs


def _found(session: Session, table: Named) -> list[Storage]:
    rows = session.fetch(SETTINGS, {"oid": table.oid})
    return [
        Storage(row["schema"], row["name"], dict(each.split("=", 1) for each in (*row["own"], *row["toast"])))
        for row in rows
    ]


def _refuse_unknown(session: Session, table: Named, settings: Wanted) -> None:
    """The server knows which parameters there are; asked with a table that is never there for others."""
    given = {name: value for name, value in settings.items() if value is not None}
    with session.undone():
        try:
            session.fetch("CREATE TEMPORARY TABLE examined (held text)")
            for statement in _statements(identifier("pg_temp", "examined"), given):
                session.fetch(statement)
        except TookTooLong:
            raise
        except QueryFailed as error:
            raise Refused(f"{table.title} cannot have these settings, the server says: {error.sentence}.") from error


def apply(session: Session, jobs: Sequence[Job], patience: Patience) -> None:
    for job in jobs:
        for step in job.plan.changes:
            patience.tried(step.sentence, partial(session.together, _script(step)))
            job.done += 1


def _script(step: Alter) -> list[Any]:
    return _statements(identifier(step.storage.schema, step.storage.name), step.settings)


def _statements(table: Any, settings: Wanted) -> list[Any]:
    chosen = [
        compose("{name} = {value}", name=_parameter(name), value=literal(value))
        for name, value in settings.items()
        if value is not None
    ]
    reset = [_parameter(name) for name, value in settings.items() if value is None]
    script = []
    if chosen:
        script.append(compose("ALTER TABLE {table} SET ({all})", table=table, all=joined(", ", chosen)))
    if reset:
        script.append(compose("ALTER TABLE {table} RESET ({all})", table=table, all=joined(", ", reset)))
    return script


def _parameter(name: str) -> Any:
    return identifier(*name.split(".", 1))


def result(jobs: Sequence[Job], *, check_mode: bool) -> dict[str, Any]:
    return {
        "changed": any(job.plan.changed if check_mode else job.done for job in jobs),
        "tables": [
            {"table": job.table.title, "altered": [step.storage.title for step in job.plan.changes]} for job in jobs
        ],
        "diff": [job.plan.diff(job.table.title) for job in jobs if job.plan.changed],
    }
