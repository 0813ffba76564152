"""One inventory with two clusters: one whose name is hard to write, and one whose standby has a password to log in.

The tests are one story, in this order, on the same nodes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import inventory, networks
from lab.nodes import Node
from lab.waiting import wait_until
from tests.site.conftest import booted
from tests.site.hiding import found, told
from tests.site.playing import Run, first_difference, play

FIRST_ADDRESS = 81
ALONE, PRIMARY, STANDBY = NAMES = ("two-a1", "two-b1", "two-b2")
ODD = 'Café "l\'été" [1]'
# What means something in a passfile, in SQL, in a shell and to a template.
SECRET, NEXT_SECRET = "sé:cret\\ \"one\" '$HOME'", 'the:next\\one; it\'s "as" odd'


@dataclass
class Two:
    """Three nodes, and the inventory that makes two clusters of them."""

    directory: Path
    nodes: dict[str, Node]
    secret: str = SECRET

    def write(self, **of_odd: Any) -> Path:
        def hosts(*names: str) -> dict[str, Any]:
            addresses = {name: networks.address(FIRST_ADDRESS + NAMES.index(name)) for name in names}
            return {name: {**inventory.connection(name), "postgres_address": addresses[name]} for name in names}

        odd = {
            "postgres_cluster": ODD,
            "postgres_hosts": [ALONE],
            "postgres_first_primary": ALONE,
            **of_odd,
        }
        books = {
            "postgres_cluster": "books",
            "postgres_hosts": [PRIMARY, STANDBY],
            "postgres_first_primary": PRIMARY,
            "replication_credentials": "passfile",
            "replication_password": self.secret,
            "replication_synchronous": {"mode": "first", "count": 1},
            # Of all that is said to the server it keeps a log.
            "provision_settings": {"log_statement": "all", "password_encryption": "md5"},
        }
        clusters = {
            "odd": {"hosts": hosts(ALONE), "vars": odd},
            "books": {"hosts": hosts(PRIMARY, STANDBY), "vars": books},
        }
        path = self.directory / "hosts.yml"
        path.write_text(json.dumps({"postgres": {"children": clusters}}), encoding="utf-8")
        return path

    def play(self, *words: str, **of_odd: Any) -> Run:
        return play(self.write(**of_odd), "runbook.postgres.site", *words)

    def psql(self, name: str, sql: str) -> str:
        return (
            self.nodes[name].exec(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"], user="postgres", input=sql).stdout.strip()
        )

    def streaming(self) -> str:
        sql = "SELECT application_name, state, sync_state FROM pg_stat_replication"
        return self.psql(PRIMARY, sql)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    nodes = booted(NAMES, FIRST_ADDRESS, bare=False)
    yield Two(tmp_path_factory.mktemp("two"), nodes)
    for node in nodes.values():
        node.stop()


def foretold(two: Two) -> Run:
    """A dry run, and a run that does what it said."""
    said, done = two.play("--check", "--diff"), two.play("--diff")
    assert done.returncode == 0, done.failures or done.output
    assert said.told() == done.told(), first_difference(said.told(), done.told())
    return done


def test_a_repository_host_that_is_another_clusters_is_refused_for_that_cluster(two: Two) -> None:
    refused = two.play("--limit", ALONE, backup_repository_host=PRIMARY, backup_repositories=[{"path": "/srv/backup"}])
    assert refused.returncode != 0
    assert f"{ALONE} is of cluster {ODD} and its backup_repository_host {PRIMARY} of cluster books" in refused.failure(
        ALONE
    )
    assert refused.changed == []


@pytest.fixture(scope="module")
def built(two: Two) -> Run:
    return foretold(two)


@pytest.mark.usefixtures("built")
def test_each_cluster_is_its_own(two: Two) -> None:
    own = {two.psql(name, "SELECT system_identifier FROM pg_control_system()") for name in (ALONE, PRIMARY)}
    authorities = {two.nodes[name].exec(["cat", "/etc/ssl/postgres/ca.crt"]).stdout for name in (ALONE, PRIMARY)}
    assert len(own) == len(authorities) == 2
    rules = two.nodes[ALONE].exec(["sh", "-c", "cat /etc/postgresql/*/main/pg_hba.conf"]).stdout
    assert two.nodes[PRIMARY].ip not in rules


@pytest.mark.usefixtures("built")
def test_the_first_standby_is_waited_for(two: Two) -> None:
    assert two.psql(PRIMARY, "SHOW synchronous_standby_names") == 'FIRST 1 ("two_b1", "two_b2")'
    assert two.streaming() == "two_b2|streaming|sync"


def hidden(two: Two, run: Run, secret: str) -> None:
    """The password is in the passfile, for its owner, and nowhere else; the server has what it is checked by."""
    assert not told(secret, run.output)
    for name in (PRIMARY, STANDBY):
        assert found(secret, two.nodes[name]) == ["/var/lib/postgresql/replication.pgpass"]
        mode = two.nodes[name].exec(["stat", "-c", "%U %a", "/var/lib/postgresql/replication.pgpass"]).stdout
        assert mode.strip() == "postgres 600"
    kept = "SELECT rolpassword ~ '^SCRAM-SHA-256[$]' FROM pg_authid WHERE rolname = 'replicator'"
    assert two.psql(PRIMARY, kept) == "t"


def test_the_password_is_nowhere_else(two: Two, built: Run) -> None:
    hidden(two, built, SECRET)


def test_another_password_is_another_variable(two: Two, built: Run) -> None:  # noqa: ARG001 - what is there before
    two.secret = NEXT_SECRET
    hidden(two, foretold(two), NEXT_SECRET)
    two.nodes[STANDBY].exec(["pkill", "-f", "walreceiver"])
    wait_until("it logs in with it", lambda: two.streaming() == "two_b2|streaming|sync", bound=30)


@pytest.mark.usefixtures("built")
def test_again_nothing_is_changed(two: Two) -> None:
    again = two.play("--diff")
    assert again.returncode == 0, again.failures
    assert again.changed == []
