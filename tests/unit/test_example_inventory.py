"""The inventory that people copy has to be readable by the tools they use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "inventories/example"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def no_settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ansible's defaults, whatever the configuration of who runs this."""
    path = tmp_path_factory.mktemp("ansible") / "ansible.cfg"
    path.write_text("")
    return path


def tool(*command: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (str(BIN / command[0]), *command[1:]),
        cwd=ROOT,
        env=os.environ | ({"ANSIBLE_CONFIG": str(config)} if config else {}),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def inventory(no_settings: Path) -> dict[str, Any]:
    result = tool("ansible-inventory", "-i", str(EXAMPLE), "--list", config=no_settings)
    assert result.returncode == 0, result.stderr
    assert "WARNING" not in result.stderr
    parsed: dict[str, Any] = json.loads(result.stdout)
    return parsed


def test_it_holds_two_clusters(inventory: dict[str, Any]) -> None:
    assert sorted(inventory["postgres"]["children"]) == ["ledger", "orders_servers"]
    assert sorted(inventory["orders"]["children"]) == ["orders_poolers", "orders_servers"]
    assert all(len(inventory[group]["hosts"]) >= 2 for group in ("orders_servers", "ledger"))


def test_the_cluster_that_is_built_knows_its_members(inventory: dict[str, Any]) -> None:
    every = inventory["_meta"]["hostvars"]
    members = inventory["orders_servers"]["hosts"] + inventory["orders_poolers"]["hosts"]
    assert len({every[host]["postgres_address"] for host in members}) == len(members)
    assert {every[host]["postgres_cluster"] for host in members} == {"orders"}
    assert not any(every[host]["postgres_managed"] for host in inventory["ledger"]["hosts"])


def test_a_pooler_is_not_asked_for_its_health_as_a_server(inventory: dict[str, Any]) -> None:
    assert not set(inventory["orders_poolers"]["hosts"]) & set(inventory["orders_servers"]["hosts"])


def test_every_host_knows_how_to_log_in(inventory: dict[str, Any]) -> None:
    variables = inventory["_meta"]["hostvars"]
    servers = inventory["orders_servers"]["hosts"] + inventory["ledger"]["hosts"]
    assert all(variables[host]["postgres_login"]["login_user"] == "monitoring" for host in servers)


def test_yamllint_has_nothing_to_say() -> None:
    result = tool("yamllint", "--strict", str(EXAMPLE))
    assert result.returncode == 0, result.stdout


def test_a_secret_is_named_and_never_written() -> None:
    secrets = [
        value for path in sorted(EXAMPLE.rglob("*.yml")) for value in passwords(yaml.safe_load(path.read_text()))
    ]
    assert secrets
    assert all(value.startswith("{{ vault_") for value in secrets)


def passwords(node: object) -> list[str]:
    """Every value in a document whose name says that it is a password."""
    if isinstance(node, list):
        return [value for item in node for value in passwords(item)]
    if not isinstance(node, dict):
        return []
    own = [str(value) for key, value in node.items() if "password" in str(key) and not str(key).endswith("_file")]
    return own + [value for item in node.values() for value in passwords(item)]
