"""What follows from who belongs to a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._hba.cluster import cluster_rules
from ansible_collections.runbook.postgres.plugins.module_utils._hba.judge import refusals, warnings
from ansible_collections.runbook.postgres.plugins.module_utils._hba.rules import read_maps, read_rules

HOSTVARS: dict[str, dict[str, Any]] = {
    "pg1": {"postgres_address": "10.0.0.1", "ansible_host": "container"},
    "pg2": {"ansible_host": "10.0.0.2"},
    "pg3.example.com": {},
    "pool1": {"postgres_address": "10.0.0.9"},
}
MINE = {"type": "hostssl", "databases": ["a"], "users": ["a"], "addresses": ["10.1.0.0/16"], "method": "cert"}
WHOLE: dict[str, Any] = {"options": {}, "comment": None, "addresses": []}


def cluster(**given: Any) -> dict[str, Any]:
    return {
        "members": ["pg1", "pg2", "pg3.example.com"],
        "poolers": ["pool1"],
        "replication_role": "replicator",
        "replication_credentials": "certificate",
        "pooler_role": "pgbouncer",
        "pooler_users": ["all"],
        "first_rules": [],
        "rules": [],
        "maps": [],
        **given,
    }


def derived(**given: Any) -> list[str]:
    """Each rule in a word or two, in order."""
    rules = cluster_rules(cluster(**given), HOSTVARS)["rules"]
    return [f"{rule['type']} {' '.join(rule['users'])} {rule['method']}" for rule in rules]


def test_the_order_is_fixed() -> None:
    first = {**MINE, "users": ["first"]}
    assert derived(first_rules=[first], rules=[MINE]) == [
        "local postgres peer",
        "hostssl first cert",
        'hostssl "replicator" cert',
        'hostssl "pgbouncer" cert',
        "hostssl all scram-sha-256",
        "hostssl a cert",
    ]


def test_addresses_are_what_others_reach_them_by() -> None:
    standbys = cluster_rules(cluster(), HOSTVARS)["rules"][1]
    assert standbys["addresses"] == ["10.0.0.1", "10.0.0.2", "pg3.example.com"]


def test_certificates_are_mapped_by_the_inventorys_names() -> None:
    maps = cluster_rules(cluster(), HOSTVARS)["maps"]
    assert [(each["map"], each["system_user"]) for each in maps] == [
        ("members", '"pg1"'),
        ("members", '"pg2"'),
        ("members", '"pg3.example.com"'),
        ("poolers", '"pool1"'),
    ]


def test_passwords_need_no_map() -> None:
    told = cluster_rules(cluster(replication_credentials="passfile", poolers=[]), HOSTVARS)
    assert told["rules"][1]["method"] == "scram-sha-256"
    assert told["maps"] == []


def test_a_server_alone_lets_nobody_replicate() -> None:
    assert derived(members=["pg1"], poolers=[]) == ["local postgres peer"]


@pytest.mark.parametrize("version", [13, 15, 17])
def test_what_is_derived_is_sound(version: int) -> None:
    told = cluster_rules(cluster(), HOSTVARS)
    lines = read_rules([{**WHOLE, **rule} for rule in told["rules"]], version)
    assert refusals(lines, read_maps(told["maps"], version), ()) == []
    assert warnings(lines) == []


def test_a_member_that_is_not_in_the_inventory_is_named() -> None:
    with pytest.raises(Refused, match="pg9 belongs to the cluster"):
        cluster_rules(cluster(members=["pg1", "pg9"]), HOSTVARS)
