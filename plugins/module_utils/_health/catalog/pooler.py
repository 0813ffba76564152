# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""PgBouncer's pools, asked of its admin console."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Probe


@dataclass(frozen=True)
class Pool:
    pool: str
    mode: str
    clients_active: int
    clients_waiting: int
    servers_active: int
    servers_idle: int
    size: int
    used_percent: float
    longest_wait_seconds: float


@dataclass(frozen=True)
class PoolerTotals:
    version: str
    clients: int
    max_clients: int | None
    clients_percent: float | None


@dataclass(frozen=True)
class PoolerDown:
    reason: str


# The console speaks only these words, not SQL; their columns differ between
# versions and are picked by name in observers/pooler.py.
SHOW_VERSION = "SHOW VERSION"
SHOW_POOLS = "SHOW POOLS"
SHOW_DATABASES = "SHOW DATABASES"
SHOW_LISTS = "SHOW LISTS"
SHOW_CONFIG = "SHOW CONFIG"

POOLS = Probe(name="pools", subset="pgbouncer", row=Pool, sql={})
POOLER_TOTALS = Probe(name="pooler", subset="pgbouncer", row=PoolerTotals, single=True, sql={})
POOLER_DOWN = Probe(name="pooler_down", subset="pgbouncer", row=PoolerDown, single=True, sql={})

PROBES = (POOLS, POOLER_TOTALS, POOLER_DOWN)
