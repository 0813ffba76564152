# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every table looked at before the first one is changed, so that a refusal comes before any change."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._errors import (
    QueryFailed,
    Refused,
    TookTooLong,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.alone import hold
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.describe import read_origin
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.preflight import (
    existing,
    refuse_unfit_store,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.steps import size
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import Store
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import PLACE
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.catalog import (
    judge,
    read_due,
    read_plain,
    read_publications,
    refuse_references,
    refuse_where,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.job import Expiry
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.lag import Throttle
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.part import (
    PENDING,
    Serial,
    first_after,
    last_of,
    read,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.plan import (
    Left,
    plan_expiry,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.request import Wish
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.state import PlainTable
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from ansible_collections.runbook.postgres.plugins.module_utils._stream.compression import PLAIN


def prepare(session: Session, wanted: Sequence[Wish], throttle: Throttle, *, alone: bool) -> list[Expiry]:
    """Nothing is changed here, and nothing is changed anywhere if one of the tables is refused.

    alone: no other run may look after these tables until this one has ended.
    """
    place = session.fetch(PLACE)[0]
    if place["standby"]:
        raise Refused("This server is a standby, which takes no changes: run this on its primary.")
    throttle.refuse_blind()
    jobs: list[Expiry] = []
    for wish in wanted:
        try:
            job = _prepared(session, wish, place["now"], alone=alone)
        except TookTooLong as error:
            raise Refused(
                f"{wish.table} could not be looked at: another session holds a lock on it; see who with "
                "pg_health_facts and run this again."
            ) from error
        except QueryFailed as error:
            # Such as a condition that divides by zero.
            raise Refused(f"{wish.table} could not be looked at: {error.sentence}.") from error
        if any(job.table.oid == each.table.oid for each in jobs):
            raise Refused(f"tables names {job.table.title} twice: give each table one entry.")
        jobs.append(job)
    _refuse_too_full(jobs)
    return jobs


def _prepared(session: Session, wish: Wish, now: int, *, alone: bool) -> Expiry:
    options = wish.options
    table = read_plain(session, wish.table, options["column"], require_index=options["require_index"])
    if alone:
        hold(session, table.oid, table.title)
    policy = wish.policy(table.kind, now)
    if not options["allow_references"]:
        refuse_references(session, table)
    refuse_where(session, table, policy.where)
    left, last = None, None
    if policy.store is not None:
        refuse_unfit_store(table.title, policy.store)
        system_identifier, database = read_origin(session)
        store = replace(policy.store, system_identifier=system_identifier, database=database)
        policy = replace(policy, store=store)
        left, last = _left(session, table, store)
    due = read_due(session, table, policy)
    plan = plan_expiry(table, policy, due, left, first_after(last, now))
    published = read_publications(session, table) if due.rows else []
    if published:
        told = f"{table.title} is published by {', '.join(published)}: subscribers delete the rows as well."
        plan = replace(plan, warnings=(*plan.warnings, told))
    return Expiry(table, policy, due, plan)


def names_in(store: Store) -> list[str]:
    try:
        return os.listdir(store.destination)  # noqa: PTH208 - names are all that is wanted
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Refused(f"archive destination {store.destination} cannot be read: {error.strerror}.") from error


def _left(session: Session, table: PlainTable, store: Store) -> tuple[Left | None, Serial | None]:
    """What an interrupted run left, if its end is not known, and the last serial of this table's files."""
    last, name = last_of(names_in(store), table.stem(store))
    if name is None:
        return None, last
    part = read(store.destination / name)
    if part.state != PENDING:
        return None, last
    return Left(store.destination / name, part, judge(session, table, part)), last


def _refuse_too_full(jobs: Sequence[Expiry]) -> None:
    """Compressed files are smaller than their rows, by how much nobody knows: there one batch must fit."""
    needs: dict[int, tuple[int, Path]] = {}
    for job in jobs:
        store = job.policy.store
        if store is None or not job.due.rows:
            continue
        rows = job.due.rows if store.compression == PLAIN else min(job.due.rows, job.policy.batch_rows)
        device = existing(store.destination).stat().st_dev
        needs[device] = (
            needs.get(device, (0, store.destination))[0] + job.table.share(rows, job.due.rows),
            store.destination,
        )
    for need, destination in needs.values():
        there = os.statvfs(existing(destination))
        free = there.f_bavail * there.f_frsize
        if need > free:
            raise Refused(
                f"archive destination {destination} has {size(free)} free and needs about {size(need)}: make room, "
                "or choose another destination."
            )
