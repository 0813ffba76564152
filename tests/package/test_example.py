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


ORDERS = ("orders-db1", "orders-db2", "orders-db3")


def test_the_playbook_takes_all_that_the_example_sets(ansible: Ansible, closed_port: int) -> None:
    said = ansible.succeed(*arguments(ansible, closed_port))
    done = {line.split()[0] for line in said.splitlines() if "failed=0" in line and "unreachable=0" in line}
    # Where it is looked whether there is somebody.
    servers = done - {"localhost"}
    assert servers == {f"{name}.example.net" for name in ("ledger-db1", "ledger-db2", *ORDERS)}, said


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


NOWHERE = '''
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: nowhere
short_description: A host that is gone
description: Nothing is reached through it.
"""


class Connection(ConnectionBase):
    transport = "nowhere"

    def _connect(self):
        raise AnsibleConnectionFailure("no route to\\nhost")

    def exec_command(self, cmd, in_data=None, sudoable=True):
        self._connect()

    def put_file(self, in_path, out_path):
        self._connect()

    def fetch_file(self, in_path, out_path):
        self._connect()

    def close(self):
        pass
'''


def test_a_host_that_is_gone_is_reported_and_yesterdays_page_is_not_left(ansible: Ansible, closed_port: int) -> None:
    plugins = ansible.home / ".ansible/plugins/connection"
    plugins.mkdir(parents=True, exist_ok=True)
    (plugins / "nowhere.py").write_text(NOWHERE, encoding="utf-8")
    # Relative: it begins where the playbook was called.
    reports = ansible.home / "reports"
    reports.mkdir(exist_ok=True)
    page = reports / "orders-db2.example.net.txt"
    page.write_text("yesterday: OK\n", encoding="utf-8")
    # How hosts are reached stands in an inventory: extra variables would reach for the control node the same way.
    gone = ansible.home / "gone.yml"
    hosts = {"orders-db2.example.net": {"ansible_connection": "nowhere"}}
    rest = {name: {"ansible_connection": "local"} for name in ("orders-db1.example.net", "orders-db3.example.net")}
    gone.write_text(yaml.safe_dump({"orders": {"hosts": {**hosts, **rest}}}), encoding="utf-8")
    command = arguments(ansible, closed_port, health_report_dir="reports")
    values = json.loads(command[-1])
    del values["ansible_connection"]
    result = ansible.run(*command[:-1], json.dumps(values), "-i", str(gone))
    assert "orders-db2.example.net" in page.read_text(encoding="utf-8").splitlines()[0], result.stdout
    assert "Ansible cannot reach the host: " in page.read_text(encoding="utf-8")
    facts = json.loads((reports / "orders-db2.example.net.json").read_text(encoding="utf-8"))
    assert facts["status"] == "down"
    assert len(list(reports.glob("*.txt"))) == 5
    # One line of the page to a line of the terminal, whatever format results are shown in.
    shown = [line.strip() for line in result.stdout.splitlines()]
    assert any(line.startswith('"orders-db2.example.net ') and line.endswith('DOWN",') for line in shown), result.stdout


def test_a_level_to_fail_on_that_is_none_is_refused(ansible: Ansible, closed_port: int) -> None:
    result = ansible.run(*arguments(ansible, closed_port, health_fail_on="criticl"))
    assert result.returncode != 0
    assert "health_fail_on is 'criticl': give one of critical, warning, never." in " ".join(result.stdout.split())
