# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every table looked at first, so that a refusal comes before any change; then the rows of each leave in batches."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import (
    Problem,
    QueryFailed,
    Refused,
    TookTooLong,
    Unreachable,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.alone import hold
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.describe import read_origin
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.preflight import (
    existing,
    refuse_unfit_store,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.steps import size
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import MANIFEST_ENDING, Store
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import PLACE
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.batch import (
    Batch,
    Batcher,
    InDoubt,
    NotExpired,
    confirm,
    discard,
    publish,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.catalog import (
    any_due,
    judge,
    read_due,
    read_plain,
    read_publications,
    refuse_references,
    refuse_where,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.lag import Throttle, TooFarBehind
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.part import (
    CONFIRM,
    DELETED,
    DISCARD,
    PENDING,
    UNKNOWN,
    Serial,
    file_of,
    first_after,
    last_of,
    partials_of,
    read,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.plan import (
    Leave,
    Left,
    Settle,
    plan_expiry,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.request import Manner, Wish
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.state import Due, PlainTable, Policy
from ansible_collections.runbook.postgres.plugins.module_utils._patience import GaveUp, Patience
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from ansible_collections.runbook.postgres.plugins.module_utils._stream.compression import PLAIN

# More names than this are of no use to anybody who reads a check.
MOST_FORETOLD = 1000


@dataclass
class Outcome:
    """What became of one table's rows."""

    batches: list[Batch] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    seconds: float = 0.0
    longest_lock_wait_seconds: float = 0.0
    waited_for_replicas_seconds: float = 0.0
    finished: bool = False
    failure: str | None = None
    warnings: list[str] = field(default_factory=list)

    # The server went away while it was asked to commit.
    in_doubt: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.batches or self.settled or self.in_doubt)

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.batches)


@dataclass
class Expiry:
    """One table: what was found, what is to be done, and what became of it."""

    table: PlainTable
    policy: Policy
    due: Due
    plan: Plan
    outcome: Outcome | None = None


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


def _names(store: Store) -> list[str]:
    try:
        return os.listdir(store.destination)  # noqa: PTH208 - names are all that is wanted
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Refused(f"archive destination {store.destination} cannot be read: {error.strerror}.") from error


def _left(session: Session, table: PlainTable, store: Store) -> tuple[Left | None, Serial | None]:
    """What an interrupted run left, if its end is not known, and the last serial of this table's files."""
    last, name = last_of(_names(store), table.stem(store))
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


class Run:
    """The tables in turn. One that cannot be finished does not keep the others from it; a server that is gone does."""

    def __init__(
        self, session: Session, manner: Manner, throttle: Throttle, connect: Callable[[], CopyConnection]
    ) -> None:
        self._session, self._manner, self._throttle, self._connect = session, manner, throttle, connect
        self._ends = None if manner.max_seconds is None else Deadline(manner.max_seconds)

    def carry_out(self, jobs: Sequence[Expiry]) -> None:
        for job in jobs:
            job.outcome = Outcome()
        for job in jobs:
            with self._told(job) as outcome:
                self._one(job, outcome)
            if outcome.failure is not None and self._over:
                return

    _over = False

    @contextlib.contextmanager
    def _told(self, job: Expiry) -> Iterator[Outcome]:
        outcome = job.outcome or Outcome()
        started, waited = time.monotonic(), self._throttle.waited_seconds
        try:
            yield outcome
        except Problem as error:
            self._over = isinstance(error, (Unreachable, TooFarBehind))
            outcome.in_doubt = isinstance(error, InDoubt)
            outcome.failure = error.sentence
        except OSError as error:
            outcome.failure = f"{error.strerror or error} ({error.filename or job.table.title})."
        finally:
            outcome.seconds = time.monotonic() - started
            outcome.waited_for_replicas_seconds = self._throttle.waited_seconds - waited

    def _one(self, job: Expiry, outcome: Outcome) -> None:
        if job.policy.store is not None:
            self._tidy(job, job.policy.store)
        for step in job.plan.changes:
            if isinstance(step, Settle):
                self._settle(step)
                outcome.settled.append(step.sentence)
        leaves = [step for step in job.plan.changes if isinstance(step, Leave)]
        outcome.finished = not leaves
        for step in leaves:
            batcher = Batcher(self._connect, job.table, job.policy, self._manner.milliseconds)
            try:
                self._leave(step, batcher, outcome)
            finally:
                batcher.close()
                outcome.longest_lock_wait_seconds = batcher.longest_lock_wait_seconds

    def _tidy(self, job: Expiry, store: Store) -> None:
        """What a killed run had not finished writing goes; nobody else writes here while we hold the table."""
        names, stem = _names(store), job.table.stem(store)
        for name in partials_of(names, stem):
            with contextlib.suppress(FileNotFoundError):
                (store.destination / name).unlink()
        _serial, last = last_of(names, stem)
        if last is not None:
            # Had it come to be interrupted between the deletion and this.
            part = read(store.destination / last)
            if part.state != PENDING:
                publish(store.destination / last[: -len(MANIFEST_ENDING)], part)

    def _settle(self, step: Settle) -> None:
        left = step.left
        if left.verdict == DISCARD:
            discard(left.file)
            return
        if not left.file.exists():
            raise NotExpired(
                f"{left.file} is missing, and the rows in it may have been deleted from {step.table.title}: bring it "
                f"back beside its manifest, or take the manifest away if you know that nothing is lost."
            )
        publish(left.file, confirm(left.file, left.part, DELETED if left.verdict == CONFIRM else UNKNOWN))

    def _leave(self, step: Leave, batcher: Batcher, outcome: Outcome) -> None:
        patience = Patience(self._manner.lock_seconds, self._manner.retries)
        serial, lower = step.first, None
        while not self._out_of_time():
            # The session that holds the table alone has to be there, and must not seem idle.
            self._session.fetch("SELECT 1 AS alive")
            self._throttle.wait(self._out_of_time)
            if self._out_of_time():
                break
            batch = self._taken(step, patience, batcher, serial, lower)
            if batch is None:
                outcome.finished = not any_due(self._session, step.table, step.policy)
                if not outcome.finished:
                    outcome.warnings.append(
                        f"Some rows of {step.table.title} are in use by other sessions: the next run takes them."
                    )
                return
            outcome.batches.append(batch)
            _confirm(batch)
            serial, lower = serial.plus(1), batch.highest
            time.sleep(self._manner.batch_pause)
        outcome.finished = not any_due(self._session, step.table, step.policy)

    def _out_of_time(self) -> bool:
        return self._ends is not None and self._ends.passed()

    def _taken(
        self, step: Leave, patience: Patience, batcher: Batcher, serial: Serial, lower: str | None
    ) -> Batch | None:
        taken: list[Batch | None] = []
        try:
            patience.tried(step.sentence, lambda: taken.append(batcher.leave(serial, lower)))
        except (GaveUp, Unreachable):
            raise
        except (Problem, OSError) as error:
            reason = error.sentence if isinstance(error, Problem) else f"{error.strerror} ({error.filename})"
            raise NotExpired(
                f"Could not {step.sentence}: {reason.rstrip('.')}; the batches before this one have left, "
                "and the next run goes on."
            ) from error
        return taken[0]


def _confirm(batch: Batch) -> None:
    """The rows are gone; what fails here is made up for by the next run."""
    if batch.file is None or batch.part is None:
        return
    try:
        publish(batch.file, confirm(batch.file, batch.part))
    except (Problem, OSError) as error:
        reason = error.sentence if isinstance(error, Problem) else f"{error.strerror} ({error.filename})"
        raise NotExpired(
            f"The rows in {batch.file} are deleted, and its manifest could not be brought up to date: "
            f"{reason.rstrip('.')}; the next run does that and goes on."
        ) from error


def result(jobs: Sequence[Expiry]) -> dict[str, Any]:
    """The same shape in check mode, where the files are those that would be written."""
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
