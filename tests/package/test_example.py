"""The inventory to copy, as it ships, given to the playbook it is for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from .conftest import Ansible

EXAMPLE = "ansible_collections/runbook/postgres/inventories/example"
# What the reader of the example keeps in a vault.
SECRETS = {"vault_orders_monitoring_password": "not-a-secret", "vault_ledger_monitoring_password": "not-a-secret"}


def arguments(ansible: Ansible, port: int, **variables: Any) -> list[str]:
    """The playbook against the example's hosts, played by this machine, with no server on the port."""
    nobody = {"login_host": "127.0.0.1", "login_port": port, "connect_params": {"connect_timeout": 2}}
    values = {
        **SECRETS,
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": str(ansible.prefix / "bin/python"),
        "postgres_login": nobody,
        "health_fail_on": "never",
        **variables,
    }
    inventory = str(ansible.collections / EXAMPLE)
    return ["ansible-playbook", "-i", inventory, "runbook.postgres.health", "-e", json.dumps(values)]


def test_the_playbook_takes_all_that_the_example_sets(ansible: Ansible, closed_port: int) -> None:
    said = ansible.succeed(*arguments(ansible, closed_port))
    recap = [line for line in said.splitlines() if "failed=0" in line and "unreachable=0" in line]
    assert len(recap) == 5, said


def test_a_threshold_that_is_none_is_refused(ansible: Ansible, closed_port: int) -> None:
    result = ansible.run(*arguments(ansible, closed_port, health_thresholds={"no_such_check": {"warning": 1}}))
    assert result.returncode != 0
    assert "'no_such_check'" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_every_login_value_is_an_option_of_the_module(ansible: Ansible) -> None:
    name = "runbook.postgres.pg_health_facts"
    options = json.loads(ansible.succeed("ansible-doc", "--json", "-t", "module", name))[name]["doc"]["options"]
    files = sorted((ansible.collections / EXAMPLE / "group_vars").rglob("*.yml"))
    logins = [read(file)["postgres_login"] for file in files if "postgres_login" in read(file)]
    assert len(logins) == 3
    assert {key for login in logins for key in login} <= set(options)


def read(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return loaded
