"""PgBouncer's console, with the columns that its versions 1.18 and 1.24 were seen to have."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.pooler import Pool, PoolerTotals
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.pooler import (
    observe_pooler,
    observe_pools,
)
from tests.unit.plugins.fakes import FakeSession

# Recorded: the first line as the console names its columns.
POOLS_1_18 = """
database|user|cl_active|cl_waiting|cl_active_cancel_req|cl_waiting_cancel_req|sv_active|sv_active_cancel|sv_being_canceled|sv_idle|sv_used|sv_tested|sv_login|maxwait|maxwait_us|pool_mode
pgbouncer|pgbouncer|1|0|0|0|0|0|0|0|0|0|0|0|0|statement
shop|app|12|3|0|0|20|0|0|5|0|0|0|2|500000|transaction
"""
POOLS_1_24 = """
database|user|cl_active|cl_waiting|cl_active_cancel_req|cl_waiting_cancel_req|sv_active|sv_active_cancel|sv_being_canceled|sv_idle|sv_used|sv_tested|sv_login|maxwait|maxwait_us|pool_mode|load_balance_hosts
pgbouncer|pgbouncer|1|0|0|0|0|0|0|0|0|0|0|0|0|statement|
shop|app|12|3|0|0|20|0|0|5|0|0|0|2|500000|transaction|round-robin
"""
DATABASES_1_18 = """
name|host|port|database|force_user|pool_size|min_pool_size|reserve_pool|pool_mode|max_connections|current_connections|paused|disabled
pgbouncer||6432|pgbouncer|pgbouncer|2|0|0|statement|0|0|0|0
shop|10.0.0.1|5432|shop||25|0|0||0|0|0|0
"""
DATABASES_1_24 = """
name|host|port|database|force_user|pool_size|min_pool_size|reserve_pool_size|server_lifetime|pool_mode|load_balance_hosts|max_connections|current_connections|max_client_connections|current_client_connections|paused|disabled
pgbouncer||6432|pgbouncer|pgbouncer|2|0|0|3600|statement||0|0|0|1|0|0
shop|10.0.0.1|5432|shop||25|0|0|3600|||0|0|0|0|0|0
"""
LISTS = "list|items\ndatabases|2\nusers|1\npools|1\nfree_clients|49\nused_clients|13\nlogin_clients|0\n"
CONFIG = "key|value|default|changeable\nlisten_addr||NULL|no\nmax_client_conn|100|100|yes\n"
# Replaced by what a test needs otherwise.
ANSWERS = {
    "SHOW VERSION": "version\nPgBouncer 1.18.0",
    "SHOW POOLS": POOLS_1_18,
    "SHOW DATABASES": DATABASES_1_18,
    "SHOW LISTS": LISTS,
    "SHOW CONFIG": CONFIG,
}


def rows(recorded: str) -> list[dict[str, str]]:
    names, *lines = (line.split("|") for line in recorded.strip().splitlines())
    return [dict(zip(names, line, strict=True)) for line in lines]


def console(**recorded: str) -> FakeSession:
    given = {f"SHOW {name.upper()}": text for name, text in recorded.items()}
    return FakeSession({statement: rows(text) for statement, text in {**ANSWERS, **given}.items()})


@pytest.mark.parametrize(
    "session",
    [console(), console(version="version\nPgBouncer 1.24.1", pools=POOLS_1_24, databases=DATABASES_1_24)],
    ids=["1.18", "1.24"],
)
def test_pools_are_told_without_the_consoles_own(session: Any) -> None:
    assert observe_pools(session) == [
        Pool(
            pool="shop/app",
            mode="transaction",
            clients_active=12,
            clients_waiting=3,
            servers_active=20,
            servers_idle=5,
            size=25,
            used_percent=80.0,
            longest_wait_seconds=2.5,
        )
    ]


def test_a_pool_whose_size_nobody_tells_is_not_called_full() -> None:
    (pool,) = observe_pools(console(databases="name|pool_size\nother|5"))  # type: ignore[arg-type]
    assert (pool.size, pool.used_percent) == (0, 0.0)


def test_clients_are_counted_against_their_limit() -> None:
    expected = PoolerTotals(version="PgBouncer 1.18.0", clients=13, max_clients=100, clients_percent=13.0)
    assert observe_pooler(console()) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "recorded",
    [
        {"pools": POOLS_1_18.replace("maxwait_us", "maxwait_ns")},
        {"pools": POOLS_1_18.replace("|20|", "|many|")},
        {"databases": DATABASES_1_18.replace("pool_size", "size")},
    ],
)
def test_a_console_of_another_kind_costs_its_pools_only(recorded: dict[str, str]) -> None:
    with pytest.raises(QueryFailed, match="answers otherwise"):
        observe_pools(console(**recorded))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "recorded", [{"version": "version"}, {"lists": "list|items"}, {"config": CONFIG.replace("|100|", "||")}]
)
def test_a_console_of_another_kind_costs_its_totals_only(recorded: dict[str, str]) -> None:
    with pytest.raises(QueryFailed, match="answers otherwise"):
        observe_pooler(console(**recorded))  # type: ignore[arg-type]
