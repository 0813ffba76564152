# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Do clients get a server connection from PgBouncer, and soon?"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import pooler as seen_by
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import (
    Check,
    Levels,
    Measure,
    shown_count,
    shown_seconds,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed


def _used(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.POOLS):
        row = seen.row
        yield Measure(
            row.used_percent,
            f"Pool {row.pool} uses {row.servers_active} of its {row.size} server connections.",
            row.pool,
        )


def _waiting(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.POOLS):
        row = seen.row
        clients = shown_count(row.clients_waiting, "client waits", "clients wait")
        yield Measure(row.clients_waiting, f"{clients} for a connection of pool {row.pool}.", row.pool)


def _wait(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.POOLS):
        row = seen.row
        yield Measure(
            row.longest_wait_seconds,
            f"A client of pool {row.pool} has waited {shown_seconds(row.longest_wait_seconds)} for a connection.",
            row.pool,
        )


def _clients(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.POOLER_TOTALS):
        row = seen.row
        yield Measure(row.clients_percent, f"{row.clients} of max_client_conn = {row.max_clients} are taken.")


def _down(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.POOLER_DOWN):
        yield Measure(1, f"PgBouncer could not be asked: {seen.row.reason}")


CHECKS = (
    Check(
        name="pool_used_percent",
        subset="pgbouncer",
        unit="%",
        measure=_used,
        remedy="Look for long queries and idle transactions first; then raise the pool within what the server bears.",
        levels=Levels(warning=70, critical=95),
    ),
    Check(
        name="pool_waiting_clients",
        subset="pgbouncer",
        unit="clients",
        measure=_waiting,
        remedy="Look for long queries and idle transactions first; then raise the pool within what the server bears.",
        levels=Levels(warning=0, critical=20),
    ),
    Check(
        name="pool_wait_seconds",
        subset="pgbouncer",
        unit="s",
        measure=_wait,
        remedy="Look for long queries and idle transactions first; then raise the pool within what the server bears.",
        levels=Levels(warning=1, critical=10),
    ),
    Check(
        name="pooler_clients_percent",
        subset="pgbouncer",
        unit="%",
        measure=_clients,
        remedy="Raise max_client_conn; an idle client costs PgBouncer next to nothing.",
        levels=Levels(warning=80, critical=90),
    ),
    Check(
        name="pooler_unreachable",
        subset="pgbouncer",
        unit="poolers",
        measure=_down,
        remedy="Look at the pgbouncer service, its stats_users and its log.",
        levels=Levels(critical=0),
    ),
)
