"""Pools, limits and what a version cannot do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.pools import (
    configurations,
    pool_list,
    refusals,
    warnings,
)
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.request import (
    POOLER_OPTIONS,
    Database,
    Login,
    User,
    Wanted,
    wanted,
)

OLD, MIDDLE, NEW = (1, 15), (1, 18), (1, 24)
VERIFIED = {"server_tls_sslmode": "verify-full"}
SHOP = Database("shop", "shop", "shop_ro")
BASE = Wanted("db1", ("db2", "db3"), databases=(SHOP,), settings=VERIFIED)


def hosts(asked: Wanted, version: tuple[int, int] = NEW) -> dict[str, str]:
    return {entry["pool"]: entry["host"] for entry in pool_list(asked, version)}


@pytest.mark.parametrize(
    ("changes", "version", "host"),
    [
        ({}, NEW, "db2"),
        ({"read_offset": 1}, NEW, "db3"),
        ({"read_offset": 2}, NEW, "db2"),
        ({"read_name": "orders-read"}, OLD, "orders-read"),
        ({"settings": {"server_tls_sslmode": "verify-ca"}}, MIDDLE, "db2,db3"),
        ({"settings": {"server_tls_sslmode": "verify-ca"}}, OLD, "db2"),
        ({"standbys": ()}, NEW, "db1"),
        ({"standbys": (), "read_name": "orders-read"}, NEW, "db1"),
        ({"standbys": (), "read_fallback": False}, NEW, None),
    ],
)
def test_where_readers_go(changes: dict[str, Any], version: tuple[int, int], host: str | None) -> None:
    found = hosts(replace(BASE, **changes), version)
    assert found["shop"] == "db1"
    assert found.get("shop_ro") == host


def test_processes_are_spread_over_standbys() -> None:
    both = configurations(replace(BASE, processes=2), NEW)
    assert [one.databases["shop_ro"]["host"] for one in both] == ["db2", "db3"]
    assert not warnings(replace(BASE, processes=2), NEW)
    assert "db2" in str(configurations(BASE, NEW)[0].databases)
    assert any("one standby" in told or "reads from one" in told for told in warnings(BASE, NEW))


def test_the_lookup_is_never_the_consoles() -> None:
    for version in (OLD, MIDDLE, NEW):
        (one,) = configurations(BASE, version)
        assert "auth_user" not in one.settings
        assert all(words["auth_user"] == "pgbouncer" for words in one.databases.values())


def test_numbers_are_shared_out() -> None:
    limits = {"max_client_conn": 200, "default_pool_size": 25, "max_db_connections": 0, "listen_port": 6432}
    database = Database("shop", "shop", "", limits={"pool_size": 1})
    asked = replace(BASE, processes=3, settings=limits, databases=(database,))
    for one in configurations(asked, NEW):
        shared = [one.settings[name] for name in limits]
        assert shared == [67, 8, 0, 6432]
        assert one.databases["shop"]["pool_size"] == "1"


def test_processes_know_each_other() -> None:
    first, second = configurations(replace(BASE, processes=2), NEW)
    assert first.peers == second.peers
    assert set(first.peers) == {"1", "2"}
    assert {first.settings["peer_id"], second.settings["peer_id"]} == {"1", "2"}
    assert first.settings["unix_socket_dir"] == first.peers["1"]["host"]


@pytest.mark.parametrize(
    ("changes", "version", "sentence"),
    [
        ({"primary": ""}, NEW, "No primary is known"),
        ({"processes": 2}, MIDDLE, "2 processes need PgBouncer 1.19"),
        ({"processes": 0}, NEW, "cannot have 0 processes"),
        ({"auth_database": "postgres"}, MIDDLE, "auth_database needs PgBouncer 1.19"),
        ({"users": (User("app"),)}, MIDDLE, "nobody could log in as app"),
        ({"users": (User("Mül"),)}, NEW, "cannot be limited"),
        ({"logins": (Login("a b", "x"),)}, NEW, "Console login 'a b'"),
        ({"databases": (SHOP, Database("crm", "shop", ""))}, NEW, "Two pools are called 'shop'"),
        ({"databases": (Database("größe", "größe", ""),)}, NEW, "cannot be named so"),
        ({"databases": (Database("pgbouncer", "pgbouncer", ""),)}, NEW, "PgBouncer's own"),
        ({"settings": {"auth_user": "x"}}, NEW, "Setting auth_user is not for settings"),
        ({"settings": {"max_client_conn": "many"}}, NEW, "max_client_conn is 'many'"),
        ({"settings": {"default_pool_size": -1}}, NEW, "default_pool_size is '-1'"),
        ({"databases": (Database("shop", "shop", "", limits={"pool_size": -2}),)}, NEW, "pool_size is '-2'"),
    ],
)
def test_refusals(changes: dict[str, Any], version: tuple[int, int], sentence: str) -> None:
    (told,) = set(refusals(replace(BASE, **changes), version))
    assert sentence in told
    assert not refusals(BASE, version)


@pytest.mark.parametrize(("version", "there"), [(MIDDLE, False), (NEW, True)])
def test_prepared_statements_where_there_are_any(version: tuple[int, int], there: bool) -> None:
    (one,) = configurations(BASE, version)
    assert ("max_prepared_statements" in one.settings) is there


def test_options_become_values() -> None:
    options: dict[str, Any] = {name: option.get("default") for name, option in POOLER_OPTIONS.items()}
    entry = dict.fromkeys(("pool", "read_pool", "pool_mode", "pool_size", "min_pool_size", "reserve_pool"))
    options["databases"] = [
        {**entry, "name": "shop", "max_db_connections": 0},
        {**entry, "name": "odd =", "pool": "odd", "read_pool": "", "max_db_connections": None},
    ]
    asked = wanted({**options, "primary": "db1", "settings": {"max_client_conn": "100", "user": None}})
    assert [(one.pool, one.read_pool, one.limits) for one in asked.databases] == [
        ("shop", "shop_ro", {"max_db_connections": 0}),
        ("odd", "", {}),
    ]
    assert asked.settings == {"max_client_conn": 100}
