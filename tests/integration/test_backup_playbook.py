"""The playbooks over an inventory: a backup on the primary and a word about the standby, then the proof."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from lab.checkout import ROOT
from tests.integration.backups import DATABASE, PLACE, Backups
from tests.integration.playing import CONNECTION


def played(kept: Backups, place: Path, book: str, *options: str) -> str:
    """What the playbook says for a primary and its standby, which share a node here."""
    common = {**CONNECTION, "ansible_host": kept.node.container}
    socket = {"login_user": "postgres", "login_unix_socket": "/var/run/postgresql"}
    hosts = {
        name: {**common, "backup_login": {**socket, "login_port": cluster.port}}
        for name, cluster in (("first", kept.server.primary), ("second", kept.server.standby))
    }
    wanted = {
        "backup_defaults": {"destination": PLACE, "max_age": "20 hours", "count_rows": True},
        "backups": [{"database": DATABASE}, {"database": DATABASE, "content": "schema", "max_age": "1 day"}],
    }
    (place / "inventory.json").write_text(json.dumps({"postgres": {"hosts": hosts, "vars": wanted}}))
    done = subprocess.run(
        [
            *(str(ROOT / ".venv/bin/ansible-playbook"), "-i", str(place / "inventory.json")),
            *(str(ROOT / f"playbooks/{book}.yml"), *options),
        ],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab/collections"), "ANSIBLE_NOCOLOR": "1"},
        cwd=place,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_check_then_run_then_nothing_then_the_proof(kept: Backups, tmp_path: Path) -> None:
    said = played(kept, tmp_path, "backup", "--check", "--diff")
    assert said.count("+a new backup, verified by checksum") == 2
    assert "second is a standby: backups are taken on a primary." in said
    assert kept.names() == []
    assert "changed=1" in played(kept, tmp_path, "backup")
    assert len(kept.visible()) == 2
    assert "changed=1" not in played(kept, tmp_path, "backup")
    assert "changed=1" in played(kept, tmp_path, "backup_verify")
    levels = {each["kind"]: each["verified"]["level"] for each in kept.info()["backups"]}
    assert levels == {"all": "restore", "schema": "checksum"}
    assert "changed=1" not in played(kept, tmp_path, "backup_verify")


def test_a_standby_can_do_the_work(kept: Backups, tmp_path: Path) -> None:
    said = played(kept, tmp_path, "backup", "-e", "backup_on=standby")
    assert "first is a primary: backups are taken on a standby." in said
    assert {kept.manifest(f"{PLACE}/{name}")["origin"]["standby"] for name in kept.visible()} == {True}
