"""In which order a standby asks for the primary once the old one is gone."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._failover.upstreams import hosts, ways

WAY = "host=db1,db2,db3 port=5432 sslcert='/a b/host=x' target_session_attrs=read-write"


def led(order: str) -> str:
    return WAY.replace("db1,db2,db3", order, 1)


def test_who_is_gone_is_not_asked_at_first_and_last_from_then_on() -> None:
    assert ways(WAY, ["db1"]) == (led("db2,db3"), led("db2,db3,db1"))
    assert ways(WAY, ["db1", "db2", "db9"]) == (led("db3"), led("db3,db1,db2"))
    assert ways(WAY, ["db3"]) == (led("db1,db2"), WAY)


@pytest.mark.parametrize(
    ("way", "gone"),
    [
        # None of them is gone, or all.
        (WAY, ["db9"]),
        (WAY, ["db1", "db2", "db3"]),
        ("", ["db1"]),
        # One upstream that is meant, whoever it is.
        ("host=db1,db2 port=5432", ["db1"]),
        # What is not as the role writes it, and what no log may have.
        (WAY.replace("host=db1,db2,db3", "host='db1,db2'"), ["db1"]),
        (WAY + " host=db4", ["db1"]),
        (WAY + " password=x", ["db1"]),
    ],
)
def test_otherwise_it_stays_as_it_is(way: str, gone: list[str]) -> None:
    assert ways(way, gone) is None


def test_hosts_are_those_of_the_keyword() -> None:
    assert hosts(WAY) == ["db1", "db2", "db3"]
    assert hosts("port=5432 sslkey=/host=x") == []
