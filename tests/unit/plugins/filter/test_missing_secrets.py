"""Entries of a vault that variables name and nothing defines, as Ansible itself finds variables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from jinja2.runtime import Undefined

from ansible_collections.runbook.postgres.plugins.filter.missing_secrets import FilterModule, missing_secrets
from lab.checkout import ROOT

BIN = Path(sys.executable).parent
INVENTORY = {
    "all": {
        "hosts": {
            "a": {
                "provision_roles": [
                    {"name": "x", "password": "{{ vault_x_password }}"},
                    {"name": "y", "password": "{{ vault_y_password }}"},
                    {"name": "z", "password": "{{ vault_z_password }}"},
                ],
                "replication_password": "{{ vault_direct }}",
                # A playbook's own, which others do without.
                "backup_defaults": {"recipients": "{{ vault_backup_keys }}"},
                # What is found out later is no fault.
                "provision_version": "{{ pg_node.version }}",
                "provision_port": "{{ vault_optional | default('') }}",
                "vault_z_password": "not to be told",
            },
            "b": {"replication_password": "{{ vault_of_another_cluster }}"},
        }
    }
}
PLAY = [
    {
        "hosts": "a",
        "gather_facts": False,
        "tasks": [
            {
                "ansible.builtin.debug": {
                    "msg": "{{ hostvars | runbook.postgres.missing_secrets(ansible_play_hosts_all) | to_json }}"
                }
            }
        ],
    }
]


def test_what_is_missing_is_told_by_name_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "hosts.json").write_text(json.dumps(INVENTORY))
    (tmp_path / "play.json").write_text(json.dumps(PLAY))
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", str(tmp_path / "hosts.json"), str(tmp_path / "play.json")],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab/collections"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        },
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"]["a"]["msg"]
    told = json.loads(told) if isinstance(told, str) else told
    assert [each.split(" names ")[1].split(",")[0] for each in told] == [
        "vault_direct",
        "vault_x_password",
        "vault_y_password",
    ]
    assert told[1] == (
        "Variable provision_roles of a names vault_x_password, which nothing defines: add it to the vault of its "
        "group, or correct the name."
    )
    assert "not to be told" not in done.stdout


class Templated(Mapping[str, Any]):
    """A host's variables, of which some cannot be filled in: as each version of core shows that."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        found = self._values[name]
        if isinstance(found, Exception):
            raise found
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def chained() -> AnsibleError:
    error = AnsibleError("Error while resolving value for 'password'.")
    error.__cause__ = AnsibleError("'vault_deep' is undefined")
    return error


def test_every_way_in_which_a_value_cannot_be_filled_in() -> None:
    host = Templated(
        provision_settings=AnsibleError("'vault_raised' is undefined"),
        provision_databases=chained(),
        replication_password="{{ vault_left }}:{{ vault_there }}",
        tls_common_name=Undefined(name="vault_marked"),
        provision_roles=[{"password": "{{ vault_inside }}"}],
        provision_version=AnsibleError("'pg_node' is undefined"),
        provision_port=5,
        vault_there="known",
    )
    told = missing_secrets({"a": host, "b": host}, ["a", "b"])
    assert [each.split(" names ")[1].partition(",")[0] for each in told] == [
        "vault_deep",
        "vault_inside",
        "vault_left",
        "vault_marked",
        "vault_raised",
    ]
    assert all(each.startswith("Variable ") and " of a names " in each for each in told)


def test_nothing_is_told_where_nothing_is_missing() -> None:
    assert (
        FilterModule().filters()["missing_secrets"](
            {"a": {"vault_x": 1, "provision_port": "{{ vault_x }}", "backup_defaults": "{{ vault_keys }}"}}, ["a"]
        )
        == []
    )
