"""A schedule in which nothing is backed up is no success, whatever the reason: a variable that is misspelt is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")


@pytest.mark.parametrize(
    ("book", "name", "said"),
    [
        ("backup", "backups", "No backup was taken"),
        ("backup_verify", "backups", "No backup was verified"),
        ("backup_physical", "physical_backups", "No backup was taken"),
    ],
)
def test_where_no_backup_is_wanted_it_fails(tmp_path: Path, book: str, name: str, said: str) -> None:
    hosts = {"one.example.net": {f"{name}_": [{"database": "shop"}]}, "other.example.net": {name: []}}
    (tmp_path / "inventory.json").write_text(json.dumps({"postgres": {"hosts": hosts}}), encoding="utf-8")
    done = subprocess.run(
        [str(PLAYBOOK), "-i", str(tmp_path / "inventory.json"), str(ROOT / f"playbooks/{book}.yml")],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab/collections"), "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    told = " ".join(done.stdout.split())
    # Nobody was contacted for it.
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"{said}: variable {name} of one.example.net, other.example.net is not set or empty." in told
