"""Whose repositories a host keeps: those of its own cluster, which role backup sees before it begins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
PLAY = [
    {
        "hosts": "servers",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.include_role": {"name": "runbook.postgres.backup", "tasks_from": "judge"}}],
    }
]


def judged(place: Path, keeper_of: str | None) -> tuple[int, str]:
    """How it ends for two clusters whose servers both name one host, which belongs to this group."""

    def cluster(name: str, **hosts: dict[str, Any]) -> dict[str, Any]:
        said = {
            "postgres_cluster": name,
            "postgres_hosts": [f"{name}1"],
            "backup_repository_host": "keeper",
            "backup_repositories": [{"path": "/srv/backup"}],
        }
        kept: dict[str, dict[str, Any]] = {"keeper": {}} if name == keeper_of else {}
        return {"hosts": {f"{name}1": {}, **hosts, **kept}, "vars": said}

    groups = {
        "orders": cluster("orders"),
        "ledger": cluster("ledger"),
        "servers": {"hosts": {"orders1": {}, "ledger1": {}}},
        **({} if keeper_of else {"others": {"hosts": {"keeper": {}}}}),
    }
    for name, content in (("inventory.json", groups), ("play.json", PLAY)):
        (place / name).write_text(json.dumps(content), encoding="utf-8")
    done = subprocess.run(
        [str(PLAYBOOK), "-i", "inventory.json", "play.json"],
        cwd=place,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab/collections"), "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_another_clusters_host_is_refused(tmp_path: Path) -> None:
    code, told = judged(tmp_path, "ledger")
    assert code == 2
    assert "orders1 is of cluster orders and its backup_repository_host keeper of cluster ledger" in told
    assert "ledger1 is of cluster" not in told


def test_a_host_of_no_cluster_is_refused(tmp_path: Path) -> None:
    code, told = judged(tmp_path, None)
    assert code == 2
    assert "ledger1 is of cluster ledger and its backup_repository_host keeper of none" in told
