"""The playbooks over an inventory: a backup on the primary and a word about the standby, then the proof."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from lab.checkout import ROOT
from tests.integration.backups import DATABASE, PLACE, Backups
from tests.integration.playing import CONNECTION


def played(kept: Backups, place: Path, book: str, *options: str, code: int = 0) -> str:
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
    assert done.returncode == code, done.stdout
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


def test_a_night_without_a_backup_is_not_silent(kept: Backups, tmp_path: Path) -> None:
    """After an accident no server is the primary, or the inventory does not know which it is."""
    alone = ("-e", "backup_hosts=second")
    said = played(kept, tmp_path, "backup", *alone, code=2)
    assert "No backup was taken: none of second answered that it is a primary." in said
    # A run for some of the servers leaves it to another one.
    members = ("-e", json.dumps({"postgres_hosts": ["first", "second"]}))
    assert "backups are taken on a primary." in played(kept, tmp_path, "backup", *alone, *members)
    said = played(kept, tmp_path, "backup", *members, "-e", "backup_on=witness", code=2)
    assert "none of first, second answered that it is a witness" in said
    assert kept.names() == []
