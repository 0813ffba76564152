"""The playbooks over an inventory: a backup on the primary and a word about the standby, then the proof."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from lab.checkout import ROOT
from lab.recap import changes
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


def test_a_standby_can_do_the_work_and_prove_it_on_the_primary(kept: Backups, tmp_path: Path) -> None:
    there = ("-e", "backup_on=standby")
    said = played(kept, tmp_path, "backup", *there)
    assert "first is a primary: backups are taken on a standby." in said
    assert {kept.manifest(f"{PLACE}/{name}")["origin"]["standby"] for name in kept.visible()} == {True}
    said = " ".join(played(kept, tmp_path, "backup_verify", *there, code=2).split())
    assert "The backups of second lie on a standby, which nothing can be restored on." in said
    socket = {"login_user": "postgres", "login_unix_socket": "/var/run/postgresql"}
    way = ("-e", json.dumps({"backup_verify_login": {**socket, "login_port": kept.server.primary.port}}))
    assert "changed=1" in played(kept, tmp_path, "backup_verify", *there, *way)
    assert {each["kind"]: each["verified"]["level"] for each in kept.info()["backups"]}["all"] == "restore"
    read = ("-e", json.dumps({"backup_verify_by": "checksum", "backup_verify_max_age": "0"}))
    assert "changed=1" in played(kept, tmp_path, "backup_verify", *there, *read)


def test_a_standby_that_is_down_makes_no_failed_night_of_the_primarys(kept: Backups, tmp_path: Path) -> None:
    """But one that is asked alone may be the one, so that its silence is no success."""
    standby = kept.server.standby
    standby.stop()
    try:
        said = played(kept, tmp_path, "backup")
        assert "second is passed over: " in said
        assert len(kept.visible()) == 2
        assert "changed=1" in played(kept, tmp_path, "backup_verify", "-e", "backup_verify_by=list")
        for book in ("backup", "backup_verify"):
            played(kept, tmp_path, book, "-e", "backup_on=standby", code=2)
            played(kept, tmp_path, book, "--limit", "localhost,second", code=2)
    finally:
        standby.start()


def test_each_label_is_proven(kept: Backups, tmp_path: Path) -> None:
    both = ("-e", json.dumps({"backups": [{"database": DATABASE}, {"database": DATABASE, "label": "weekly"}]}))
    played(kept, tmp_path, "backup", *both)
    played(kept, tmp_path, "backup_verify", *both, "-e", "backup_verify_by=list")
    levels = {each["label"]: each["verified"]["level"] for each in kept.info()["backups"]}
    assert levels == {"": "list", "weekly": "list"}


@pytest.mark.parametrize(
    ("book", "said"), [("backup", "No backup was taken"), ("backup_verify", "No backup was verified")]
)
def test_a_night_in_which_nothing_is_done_is_not_silent(kept: Backups, tmp_path: Path, book: str, said: str) -> None:
    """After an accident no server is the primary, or the inventory does not know which it is."""

    def told(*options: str, code: int = 2) -> str:
        return " ".join(played(kept, tmp_path, book, *options, code=code).split())

    alone = ("-e", json.dumps({"backup_hosts": "second"}))
    assert f"{said}: none of second answered that it is a primary." in told(*alone)
    # That an inventory names one of the members is no reason to leave it to the others.
    members = ("-e", json.dumps({"postgres_hosts": ["first", "second"]}))
    assert f"{said}: none of second answered that it is a primary." in told(*alone, *members)
    assert "none of first, second answered that it is a witness" in told(*members, "-e", "backup_on=witness")
    # Whoever limits a run to some of the servers leaves it to another one.
    assert changes(told(*members, "--limit", "second", code=0)) == {}
    assert kept.names() == []
