"""Values that no role can take, told by the roles' own specifications."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.filter.inventory_problems import inventory_problems, specified
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.values import unfit

OPTIONS = specified().options
HOST = {"postgres_cluster": "c", "postgres_hosts": ["a"]}

WRONG: list[tuple[str, Any, list[str]]] = [
    ("provision_max_connections", "many", ["many", "int"]),
    ("provision_disk", "floppy", ["floppy", "must be one of"]),
    ("provision_databases", [{"nmae": "shop"}], ["nmae"]),
    ("provision_databases", [{"owner": "app"}], ["name", "provision_databases"]),
    ("provision_roles", "app", ["provision_roles"]),
    ("pgbouncer_max_client_conn", "lots", ["lots"]),
    ("postgres_hooks", {"after_fence": "/etc/hook.yml"}, ["after_fence", "after_fencing"]),
]
RIGHT: list[tuple[str, Any]] = [
    ("provision_max_connections", "200"),
    ("provision_tls", "false"),
    ("replication_synchronous", ""),
    ("backup_repositories", ""),
    ("provision_databases", [{"name": "shop"}]),
    ("provision_roles", [{"name": "app", "password": "{{ vault_app }}"}]),
    ("provision_max_connections", "{{ pg_node.machine.cores * 50 }}"),
    ("provision_max_connections", None),
    ("no_variable_of_ours", object()),
]


@pytest.mark.parametrize(("name", "value", "words"), WRONG)
def test_what_no_role_can_take_is_told_once_with_its_hosts(name: str, value: Any, words: list[str]) -> None:
    [sentence] = unfit(["a", "b"], {"a": {name: value}, "b": {name: value}}, OPTIONS)
    assert f"Variable {name} (a, b)" in sentence
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize(("name", "value"), RIGHT)
def test_what_fits_or_is_not_settled_yet_is_not_told(name: str, value: Any) -> None:
    assert inventory_problems({"a": {**HOST, name: value}}, ["a"]) == []


def test_the_filter_tells() -> None:
    [sentence] = inventory_problems({"a": {**HOST, "provision_max_connections": "many"}}, ["a"])
    assert "provision_max_connections" in sentence


def test_a_password_is_never_told() -> None:
    secret = "only-for-this"
    told = list(unfit(["a"], {"a": {"provision_roles": [{"name": "app", "password": {"x": secret}}]}}, OPTIONS))
    told += unfit(
        ["a"], {"a": {"provision_roles": [{"name": "app", "connection_limit": "x", "password": secret}]}}, OPTIONS
    )
    assert told
    assert secret not in " ".join(told)
