"""The inventory of a cluster in the lab, as Ansible reads it."""

from __future__ import annotations

import json
from pathlib import Path

from lab import inventory, networks


def test_members_are_sorted_into_groups_with_their_addresses(tmp_path: Path) -> None:
    path = inventory.write(tmp_path / "new", {"a": 41, "b": 42}, {"p": 43}, {"provision_tls": False}, cluster="shop")
    written = json.loads(path.read_text())
    assert written["postgres"]["hosts"]["b"]["postgres_address"] == networks.address(42)
    assert list(written["pgbouncer"]["hosts"]) == ["p"]
    own = written["shop"]["vars"]
    assert own["postgres_hosts"] == ["a", "b"]
    assert own["postgres_poolers"] == ["p"]
    assert own["postgres_first_primary"] == "a"
    assert own["provision_tls"] is False


def test_a_host_may_have_values_of_its_own(tmp_path: Path) -> None:
    path = inventory.write(tmp_path, {"a": 41}, {}, {}, hosts={"a": {"postgres_address": "elsewhere"}})
    assert json.loads(path.read_text())["postgres"]["hosts"]["a"]["postgres_address"] == "elsewhere"


def test_addresses_of_a_lab_are_in_one_network() -> None:
    first, second = networks.address(11), networks.address(250)
    assert first.rpartition(".")[0] == second.rpartition(".")[0]
    assert first != second
