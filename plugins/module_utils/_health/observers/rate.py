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


class RateSample:
    """Opened before the other questions and closed after them, so that the time between is not idle."""

    def __init__(self, session: Session, baseline: float, seconds: float) -> None:
        self._baseline = baseline
        self._seconds = seconds
        self._before, self._started, self._statements = _look(session)

    @classmethod
    def opened(cls, interview: Interview, session: Session) -> RateSample | None:
        """A sample where there is something to compare it with."""
        baseline = interview.scope.transaction_rate_baseline
        if baseline is None or not interview.wants(TRANSACTION_RATE):
            return None
        return cls(session, baseline, interview.scope.sample_seconds)

    def close(self, interview: Interview, session: Session) -> None:
        interview.attempt(TRANSACTION_RATE, None, lambda: [self._rate(session, interview.remaining())])

    def _rate(self, session: Session, longest: float) -> TransactionRate:
        time.sleep(min(longest, max(0.0, self._started + self._seconds - time.monotonic())))
        after, ended, statements = _look(session)
        # Each statement of ours was a transaction too.
        others = max(0, after - self._before - (statements - self._statements))
        seconds = max(ended - self._started, 0.001)
        rate = others / seconds
        return TransactionRate(
            transactions_per_second=rate,
            baseline_per_second=self._baseline,
            deviation_percent=100.0 * abs(rate - self._baseline) / self._baseline,
            sample_seconds=seconds,
        )


def _look(session: Session) -> tuple[int, float, int]:
    count = session.fetch(TRANSACTIONS)[0]["count"]
    return int(count), time.monotonic(), session.statements
