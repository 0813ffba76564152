# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The rows of each table leave in batches, each of which is whole or has not begun."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Callable

from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import (
    Problem,
    Unreachable,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import MANIFEST_ENDING, Store
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.batch import (
    Batch,
    Batcher,
    InDoubt,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.catalog import (
    any_due,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.files import confirm, discard, publish
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.job import Expiry, Outcome
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.lag import Throttle, TooFarBehind
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.part import (
    CONFIRM,
    DELETED,
    DISCARD,
    PENDING,
    UNKNOWN,
    Serial,
    last_of,
    partials_of,
    read,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.plan import (
    Leave,
    Settle,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.prepare import names_in
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.request import Manner
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.state import NotExpired
from ansible_collections.runbook.postgres.plugins.module_utils._patience import GaveUp, Patience
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session


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
        names, stem = names_in(store), job.table.stem(store)
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
