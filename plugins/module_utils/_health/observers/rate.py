# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Transactions per second, from two looks at the same counter."""

from __future__ import annotations

import time

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.custom import (
    TRANSACTIONS,
    TransactionRate,
)
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session


class RateSample:
    """Opened before the other questions and closed after them, so that the time between is not idle."""

    def __init__(self, session: Session, baseline: float, seconds: float) -> None:
        self._baseline = baseline
        self._seconds = seconds
        self._before, self._started, self._statements = _look(session)

    def close(self, session: Session, deadline: Deadline) -> TransactionRate:
        time.sleep(min(deadline.remaining(), max(0.0, self._started + self._seconds - time.monotonic())))
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
