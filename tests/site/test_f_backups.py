"""A cluster that is built with its backups: it archives from its start to a host of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import inventory, networks
from lab.nodes import Node
from tests.site.conftest import booted
from tests.site.playing import Run, first_difference, play

SERVERS, KEEPER = ("backed-pg1", "backed-pg2"), "backed-keeper"
FIRST_ADDRESS = 51
VARIABLES = {
    "backup_repository_host": KEEPER,
    "backup_repositories": [{"path": "/srv/backup", "passphrase": "kept-elsewhere-5", "retention": {"full": 2}}],
}


@dataclass(frozen=True)
class Backed:
    inventory: Path
    nodes: dict[str, Node]

    def play(self, *words: str) -> Run:
        return play(self.inventory, "runbook.postgres.site", *words)

    def psql(self, name: str, sql: str) -> str:
        return self.nodes[name].exec(["psql", "-XAtqc", sql], user="postgres").stdout.strip()


@pytest.fixture(scope="module")
def backed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backed]:
    """Two bare servers and a bare host, which know each other by name."""
    names = [*SERVERS, KEEPER]
    nodes = booted(names, FIRST_ADDRESS, bare=True)
    numbers = {name: FIRST_ADDRESS + place for place, name in enumerate(names)}
    servers = {name: numbers[name] for name in SERVERS}
    directory = tmp_path_factory.mktemp("backed")
    path = inventory.write(directory, servers, {}, VARIABLES, cluster="backed")
    whole = json.loads(path.read_text())
    address = networks.address(numbers[KEEPER])
    whole["backed"]["hosts"] = {KEEPER: {**inventory.connection(KEEPER), "postgres_address": address}}
    path.write_text(json.dumps(whole))
    for node in nodes.values():
        node.exec(["tee", "-a", "/etc/hosts"], input="".join(f"{each.ip} {each.name}\n" for each in nodes.values()))
    yield Backed(path, nodes)
    for node in nodes.values():
        node.stop()


def test_the_dry_run_foresees_it(backed: Backed) -> None:
    foreseen = backed.play("--check", "--diff")
    assert foreseen.returncode == 0, foreseen.output
    done = backed.play("--diff")
    assert done.returncode == 0, done.output
    assert foreseen.told() == done.told(), first_difference(foreseen.told(), done.told())
    assert "kept-elsewhere-5" not in foreseen.output + done.output


def test_it_archives_from_its_start(backed: Backed) -> None:
    for name in SERVERS:
        assert backed.psql(name, "SHOW archive_mode") == "on"
        assert backed.psql(name, "SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"
    backed.nodes[KEEPER].exec(["pgbackrest", "--stanza=backed", "check"], user="postgres")


def test_a_second_run_changes_nothing(backed: Backed) -> None:
    again = backed.play()
    assert (again.returncode, again.changed) == (0, []), again.output
