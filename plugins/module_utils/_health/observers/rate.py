# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Transactions per second, from two looks at the same counter."""

from __future__ import annotations

import time

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.custom import (
    TRANSACTION_RATE,
    TRANSACTIONS,
    TransactionRate,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session


def ask_rate(interview: Interview, session: Session) -> None:
    """Before all other questions, and none meanwhile: each is a transaction too, counted some time after it.

    The sample leaves the other questions half of the time at least.
    """
    baseline = interview.scope.transaction_rate_baseline
    if baseline is None or not interview.wants(TRANSACTION_RATE):
        return
    interview.attempt(TRANSACTION_RATE, None, lambda: [_sampled(interview, session, baseline)])


def _sampled(interview: Interview, session: Session, baseline: float) -> TransactionRate:
    before, started = _look(session)
    time.sleep(min(interview.scope.sample_seconds, interview.remaining() / 2))
    after, ended = _look(session)
    # The first look was a transaction as well.
    others = max(0, after - before - 1)
    seconds = max(ended - started, 0.001)
    rate = others / seconds
    return TransactionRate(
        transactions_per_second=rate,
        baseline_per_second=baseline,
        deviation_percent=100.0 * abs(rate - baseline) / baseline,
        sample_seconds=seconds,
    )


def _look(session: Session) -> tuple[int, float]:
    count = session.fetch(TRANSACTIONS)[0]["count"]
    return int(count), time.monotonic()
