# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What was planned is done: each table by itself, so that one that fails does not keep the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._partition.apply import Applier
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.archiver import Archiver
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import PLACE
from ansible_collections.runbook.postgres.plugins.module_utils._partition.maintain import Upkeep, planned
from ansible_collections.runbook.postgres.plugins.module_utils._partition.request import Manner
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session


def work(session: Session, jobs: Sequence[Upkeep], manner: Manner, connect: Callable[[], CopyConnection]) -> None:
    """A table that cannot be finished does not keep the others from it; a server that is gone does."""

    def applier(job: Upkeep) -> Applier:
        job.applier = Applier(session, job.found, manner, job.wish.tablespace, Archiver(connect, manner.milliseconds))
        return job.applier

    for job in jobs:
        # Before the first step: what never came to be tried was not done.
        applier(job)
        if job.conversion is not None:
            from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.converter import (  # noqa: PLC0415
                Converter,  # What is not asked for need not be compiled.
            )

            job.converter = Converter(session, manner.lock_seconds, manner.retries, manner.drain_batch)
    for job in jobs:
        try:
            steps = job.plan.changes
            if job.conversion is not None and job.converter is not None:
                job.converter.take_all(job.conversion.steps)
                # Now it is what it was only going to be, and has an identity of its own.
                real = planned(session, job.wish, session.fetch(PLACE)[0]["now"], ())
                job.found, steps = real.found, real.plan.changes
            taker = applier(job)
            for step in steps:
                taker.take(step)
        except Unreachable as error:
            job.failure = error.sentence
            return
        except Problem as error:
            job.failure = error.sentence
