"""A schedule in which nothing is backed up is no success, whatever the reason: a variable that is misspelt is one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")


def played(place: Path, book: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PLAYBOOK), "-i", str(place / "inventory.json"), str(ROOT / f"playbooks/{book}.yml"), *options],
        cwd=place,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab/collections"), "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


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
    done = played(tmp_path, book)
    told = " ".join(done.stdout.split())
    # Nobody was contacted for it.
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"{said}: variable {name} of one.example.net, other.example.net is not set or empty." in told


@pytest.mark.parametrize(
    ("book", "said"),
    [
        ("backup", {"backup_hosts": None}),
        ("drill", {"drill_host": "scratsh", "drill_production": "productoin"}),
        ("pitr", {"pitr_host": ""}),
        ("restore", {"restore_hosts": "db[1:2]:!db1"}),
    ],
)
def test_a_host_or_group_that_is_not_there_is_no_success(tmp_path: Path, book: str, said: dict[str, Any]) -> None:
    (tmp_path / "inventory.json").write_text(json.dumps({"databases": {"hosts": {"one": {}}}}), encoding="utf-8")
    done = played(tmp_path, book, "-e", json.dumps({name: value for name, value in said.items() if value is not None}))
    assert done.returncode == 2, done.stdout + done.stderr
    for name, value in said.items():
        told = f"{name} names no host of this inventory ('{'postgres' if value is None else value}')"
        assert told in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "book",
    [
        *("backup", "backup_physical", "backup_verify", "corruption_check", "drill", "emergency_restore", "pitr"),
        *("restore", "restore_table", "schedule"),
    ],
)
def test_each_begins_by_looking_whether_there_is_somebody(book: str) -> None:
    first, *plays = yaml.safe_load((ROOT / f"playbooks/{book}.yml").read_text(encoding="utf-8"))
    assert (first["hosts"], first["tasks"][0]["ansible.builtin.import_tasks"]) == ("localhost", "tasks/named.yml")
    looked_for = {re.sub(r" \| default\('\w*'\) }}$", "", text) for text in first["vars"]["named_hosts"].values()}
    named = {re.sub(r" \| default\('\w*'\) }}.*$", "", play["hosts"]) for play in plays if "{{" in play["hosts"]}
    assert looked_for == named
