"""An address that only the primary has, as a table of inventories."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.filter import virtual_ip_plan
from ansible_collections.runbook.postgres.plugins.module_utils._virtual_ip.judge import refusals

PLAN = virtual_ip_plan.FilterModule().filters()["virtual_ip_plan"]
SERVERS = {"db1": "192.0.2.11", "db2": "192.0.2.12"}
POOLERS = {"pool1": "192.0.2.21"}


def told(wanted: str, servers: dict[str, str] | None = None) -> list[str]:
    return list(refusals(wanted, "orders", SERVERS if servers is None else servers, POOLERS))


@pytest.mark.parametrize(
    ("wanted", "servers"),
    [
        ("192.0.2.10/24", SERVERS),
        ("198.51.100.7/32", SERVERS),
        ("2001:db8::10/64", {"db1": "2001:db8::1", "db2": "2001:db8::2"}),
    ],
)
def test_what_can_be(wanted: str, servers: dict[str, str]) -> None:
    assert told(wanted, servers) == []


@pytest.mark.parametrize(
    ("wanted", "servers", "sentence"),
    [
        ("192.0.2.10", SERVERS, "is no address with its prefix: write it like"),
        ("db.example.net/24", SERVERS, "'db.example.net/24', which is no address"),
        ("192.0.2.10/24\n}", SERVERS, "which is no address"),
        ("192.0.2.12/24", SERVERS, "which is the address of db2"),
        ("192.0.2.21/24", SERVERS, "which is the address of pool1"),
        ("192.0.2.10/24", {"db1": "192.0.2.11"}, "this one has 1: leave it out"),
        ("192.0.2.10/24", {**SERVERS, "db3": "db3.example.net"}, "db3 has the address 'db3.example.net'"),
        ("2001:db8::10/64", SERVERS, "set postgres_address of db1 to its IPv6 address"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(wanted: str, servers: dict[str, str], sentence: str) -> None:
    first = told(wanted, servers)[0]
    assert sentence in first
    assert first.startswith("virtual_ip_address of cluster orders is ")
    assert "\n" not in first


HOSTS: dict[str, dict[str, Any]] = {
    "db1": {
        "postgres_cluster": "orders",
        "postgres_hosts": ["db1", "db2", "db3"],
        "postgres_poolers": ["pool1"],
        "postgres_address": "192.0.2.11",
    },
    "db2": {"ansible_host": "192.0.2.12"},
    "pool1": {},
}


def test_each_member_is_told_of_the_others() -> None:
    found = PLAN(HOSTS, "db1", "192.0.2.10/24")
    assert (found["own"], found["peers"]) == ("192.0.2.11", ["192.0.2.12", "db3"])
    assert len(found["refusals"]) == 1
    assert "'db3'" in found["refusals"][0]


@pytest.mark.parametrize("member", ["db2", "nobody", "pool1"])
def test_who_is_no_member_is_refused_in_one_sentence(member: str) -> None:
    with pytest.raises(AnsibleFilterError, match="the name of one of its postgres_hosts") as refusal:
        PLAN(HOSTS, member, "192.0.2.10/24")
    assert "\n" not in str(refusal.value)
