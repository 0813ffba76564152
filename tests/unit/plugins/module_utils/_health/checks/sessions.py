"""Sessions and locks."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import sessions as catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed
from tests.unit.plugins.module_utils._health.checks.case import Case, stepped
from tests.unit.plugins.rows import observed, row

_SOMEBODY: dict[str, Any] = {
    "pid": 42,
    "role": "app",
    "database": "shop",
    "client": "10.0.0.7",
    "application": "web",
    "query": "SELECT '...'",
}


def _blocking(seconds: float, root: Any = None, pid: int = 1) -> Observed:
    parties = [row(catalog.LockParty, pid=2, blocked_by=[pid], waiting_seconds=seconds), *([root] if root else [])]
    return observed(*((catalog.LOCK_PARTIES, party) for party in parties))


def _root(**values: Any) -> Any:
    return row(catalog.LockParty, **{"pid": 1, "role": "app", "database": "shop", **values})


def _waiting(waiting: int, clients: int) -> Observed:
    return observed(
        (catalog.SESSION_TOTALS, row(catalog.SessionTotals, waiting_for_lock=waiting, clients=clients)),
    )


CASES = [
    *stepped(
        "connections_percent",
        catalog.SESSION_TOTALS,
        "used_percent",
        [("warning", 80, 80.1), ("critical", 90, 90.1)],
        "81 of max_connections = 101 are taken.",
        clients=81,
        max_connections=101,
    ),
    *stepped(
        "active_connections",
        catalog.SESSION_TOTALS,
        "active",
        [("warning", 50, 51), ("critical", 80, 81)],
        "51 sessions run a query at this moment.",
    ),
    *stepped(
        "longest_query_seconds",
        catalog.SESSION_TOTALS,
        "longest_query_seconds",
        [("warning", 300, 301), ("critical", 600, 601)],
        "The longest running query has taken 5 min so far.",
    ),
    *stepped(
        "slow_query_seconds",
        catalog.ACTIVE_QUERIES,
        "seconds",
        [("warning", 5, 5.1)],
        "Pid 42 (app in shop from 10.0.0.7, web) has run a query for 5.1 s: SELECT '...'",
        object="pid 42",
        **_SOMEBODY,
    ),
    *stepped(
        "idle_in_transaction_seconds",
        catalog.IDLE_TRANSACTIONS,
        "seconds",
        [("warning", 600, 601)],
        "Pid 42 (app in shop from 10.0.0.7) has sat idle in a transaction for 10 min: SELECT '...'",
        object="pid 42",
        **{**_SOMEBODY, "application": ""},
    ),
    *stepped(
        "idle_session_seconds",
        catalog.IDLE_SESSIONS,
        "seconds",
        [("warning", 3600, 3601)],
        "Pid 42 (app in shop from 10.0.0.7, web) has been idle for 1 h: no query yet",
        object="pid 42",
        thresholds={"warning": 3600},
        **{**_SOMEBODY, "query": ""},
    ),
    Case(
        "lock_waiting_percent",
        "warning",
        beyond=_waiting(2, 101),
        within=_waiting(1, 100),
        message="2 of 101 sessions wait for a lock longer than deadlock_timeout.",
    ),
    Case("lock_waiting_percent", "critical", beyond=_waiting(6, 100), within=_waiting(5, 100)),
    Case("lock_waiting_percent", "critical", beyond=_waiting(1, 10), within=_waiting(9, 9)),
    Case(
        "blocked_seconds",
        "warning",
        beyond=_blocking(30.1, _root(state="idle in transaction", transaction_seconds=60.0)),
        within=_blocking(30, _root()),
        message="Pid 1 (app in shop, idle in transaction, in its transaction for 1 min) blocks 1 session, "
        "the longest for 30 s.",
        object="pid 1",
        database="shop",
    ),
    Case(
        "blocked_seconds",
        "critical",
        beyond=_blocking(301, _root(role=None)),
        within=_blocking(300),
        message="Pid 1 (a server process in shop, working, in its transaction) blocks 1 session, "
        "the longest for 5 min.",
        object="pid 1",
        database="shop",
    ),
    Case(
        "blocked_seconds",
        "critical",
        beyond=_blocking(301, pid=0),
        within=_blocking(300, pid=0),
        message="A prepared transaction blocks 1 session, the longest for 5 min.",
        object="prepared transaction",
    ),
    Case(
        "blocked_seconds",
        "warning",
        beyond=_blocking(31),
        within=_blocking(30),
        message="Pid 1 blocks 1 session, the longest for 31 s.",
        object="pid 1",
    ),
    *stepped(
        "prepared_transaction_seconds",
        catalog.PREPARED_TRANSACTIONS,
        "seconds",
        [("warning", 300, 301), ("critical", 3600, 3601)],
        "Prepared transaction 'tx-1' of app in shop has held its locks for 5 min.",
        object="tx-1",
        gid="tx-1",
        owner="app",
        database="shop",
    ),
]
