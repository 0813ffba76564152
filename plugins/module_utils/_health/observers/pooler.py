# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ask PgBouncer's admin console. It speaks a handful of words instead of SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import pooler as catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Seen
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session


def ask_pooler(interview: Interview) -> None:
    """A pooler that cannot be asked is a finding, not a gap: clients cannot reach it either."""
    if interview.scope.pooler is None or not interview.wants(catalog.POOLS) or interview.late("pooler", None):
        return
    try:
        with Session(interview.scope.pooler, interview.connecting(), called="PgBouncer") as console:
            interview.attempt(catalog.POOLER_TOTALS, None, lambda: [observe_pooler(console)])
            interview.attempt(catalog.POOLS, None, lambda: observe_pools(console))
    except Unreachable as error:
        interview.observed.add(catalog.POOLER_DOWN, [Seen(None, catalog.PoolerDown(error.sentence))])


def observe_pools(console: Session) -> list[catalog.Pool]:
    with _understood():
        sizes = {row["name"]: int(row["pool_size"]) for row in console.fetch(catalog.SHOW_DATABASES)}
        # The console's own pool serves the console.
        pools = [row for row in console.fetch(catalog.SHOW_POOLS) if row["database"] != "pgbouncer"]
        return [_pool(row, sizes.get(row["database"], 0)) for row in pools]


def observe_pooler(console: Session) -> catalog.PoolerTotals:
    with _understood():
        version = next(iter(console.fetch(catalog.SHOW_VERSION)[0].values()))
        lists = {row["list"]: int(row["items"]) for row in console.fetch(catalog.SHOW_LISTS)}
        settings = {row["key"]: row["value"] for row in console.fetch(catalog.SHOW_CONFIG)}
        clients = lists["used_clients"]
        most = int(settings["max_client_conn"])
        return catalog.PoolerTotals(
            version=str(version), clients=clients, max_clients=most, clients_percent=100.0 * clients / max(most, 1)
        )


@contextmanager
def _understood() -> Iterator[None]:
    """Other poolers have such a console too, and versions to come may name things otherwise."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise QueryFailed(
            f"the console answers otherwise than PgBouncer 1.18 to 1.24 do ({type(error).__name__}: {error})"
        ) from error


def _pool(row: dict[str, Any], size: int) -> catalog.Pool:
    active = int(row["sv_active"])
    return catalog.Pool(
        pool=f"{row['database']}/{row['user']}",
        mode=row["pool_mode"],
        clients_active=int(row["cl_active"]),
        clients_waiting=int(row["cl_waiting"]),
        servers_active=active,
        servers_idle=int(row["sv_idle"]),
        size=size,
        used_percent=100.0 * active / size if size else 0.0,
        longest_wait_seconds=int(row["maxwait"]) + int(row["maxwait_us"]) / 1e6,
    )
