"""Entries of a vault that variables name and nothing defines, as Ansible itself finds variables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from lab.checkout import ROOT

BIN = Path(sys.executable).parent
INVENTORY = {
    "all": {
        "hosts": {
            "a": {
                "wanted": [
                    {"name": "x", "password": "{{ vault_x_password }}"},
                    {"name": "y", "password": "{{ vault_y_password }}"},
                    {"name": "z", "password": "{{ vault_z_password }}"},
                ],
                "direct": "{{ vault_direct }}",
                # What is found out later is no fault.
                "waits": "{{ pg_node.version }}",
                "optional": "{{ vault_optional | default('') }}",
                "vault_z_password": "not to be told",
            },
            "b": {"direct": "{{ vault_of_another_cluster }}"},
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
        "Variable wanted of a names vault_x_password, which nothing defines: add it to the vault of its group, "
        "or correct the name."
    )
    assert "not to be told" not in done.stdout
