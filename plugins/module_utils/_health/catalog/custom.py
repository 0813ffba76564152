# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the user asks in SQL of their own, and the rate that needs two looks."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Probe


@dataclass(frozen=True)
class CustomValue:
    check: str
    object: str | None
    value: float


CUSTOM_VALUES = Probe(name="custom", subset="custom", row=CustomValue, sql={})


@dataclass(frozen=True)
class TransactionRate:
    transactions_per_second: float
    baseline_per_second: float
    deviation_percent: float
    sample_seconds: float


TRANSACTIONS = "SELECT sum(xact_commit + xact_rollback)::bigint AS count FROM pg_stat_database"

TRANSACTION_RATE = Probe(name="transaction_rate", subset="databases", row=TransactionRate, single=True, sql={})

PROBES = (CUSTOM_VALUES, TRANSACTION_RATE)
