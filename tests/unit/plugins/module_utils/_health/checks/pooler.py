"""PgBouncer and the heaviest statements."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import pooler as catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import statements
from tests.unit.plugins.module_utils._health.checks.case import Case, present, stepped
from tests.unit.plugins.rows import observed, row

CASES = [
    *stepped(
        "pool_used_percent",
        catalog.POOLS,
        "used_percent",
        [("warning", 70, 70.1), ("critical", 95, 95.1)],
        "Pool shop/app uses 15 of its 21 server connections.",
        object="shop/app",
        pool="shop/app",
        servers_active=15,
        size=21,
    ),
    *stepped(
        "pool_waiting_clients",
        catalog.POOLS,
        "clients_waiting",
        [("warning", 0, 1), ("critical", 20, 21)],
        "1 client waits for a connection of pool shop/app.",
        object="shop/app",
        pool="shop/app",
    ),
    *stepped(
        "pool_wait_seconds",
        catalog.POOLS,
        "longest_wait_seconds",
        [("warning", 1, 1.1), ("critical", 10, 10.1)],
        "A client of pool shop/app has waited 1.1 s for a connection.",
        object="shop/app",
        pool="shop/app",
    ),
    *stepped(
        "pooler_clients_percent",
        catalog.POOLER_TOTALS,
        "clients_percent",
        [("warning", 80, 81), ("critical", 90, 91)],
        "81 of max_client_conn = 100 are taken.",
        clients=81,
        max_clients=100,
    ),
    *present(
        "pooler_unreachable",
        catalog.POOLER_DOWN,
        "critical",
        "PgBouncer could not be asked: PostgreSQL at pg1 refused the connection.",
        reason="PostgreSQL at pg1 refused the connection.",
    ),
    Case(
        "statement_mean_milliseconds",
        "warning",
        beyond=observed(
            (
                statements.STATEMENTS,
                row(
                    statements.Statement,
                    query_id="77",
                    role="app",
                    statement_database="shop",
                    calls=1234,
                    mean_milliseconds=1001.0,
                    query="SELECT $1",
                ),
            )
        ),
        within=observed((statements.STATEMENTS, row(statements.Statement, mean_milliseconds=1000.0))),
        message="A statement of app takes 1,001 ms on average over 1,234 calls: SELECT $1",
        object="77",
        database="shop",
        thresholds={"warning": 1000},
    ),
]
