"""The role preflight by ansible-playbook, on a cluster that was made by other means."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.checkout import ROOT
from lab.clusters import Cluster
from lab.nodes import Node
from lab.recap import changes
from tests.integration.conftest import releases

# Nobody is there, and whoever tries is told so at once.
NOWHERE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}
BOOK = """\
- hosts: all
  gather_facts: false
  roles:
    - runbook.postgres.preflight
  post_tasks:
    - name: Reached by those that may go on
      ansible.builtin.debug:
        msg: "passed:{{ inventory_hostname }}:{{ own.task | default('pooler') }}"
      vars:
        own: "{{ postgres_topology.nodes[inventory_hostname] | default({}) }}"
"""


@dataclass(frozen=True)
class Played:
    code: int
    text: str
    seconds: float

    @property
    def passed(self) -> dict[str, str]:
        """What each host that got past preflight is to be."""
        words = (line.strip().strip("'") for line in self.text.splitlines() if "passed:" in line)
        pairs = (word.partition("passed:")[2].split(":") for word in words)
        return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}

    @property
    def told(self) -> str:
        return " ".join(self.text.split())


@dataclass(frozen=True)
class Site:
    """An inventory of real nodes, to be played with changes."""

    hosts: Mapping[str, Mapping[str, Any]]
    place: Path

    def play(
        self, changes: Mapping[str, Mapping[str, Any]] | None = None, *options: str, book: str | None = None
    ) -> Played:
        hosts = {name: {**variables, **(changes or {}).get(name, {})} for name, variables in self.hosts.items()}
        more = {name: variables for name, variables in (changes or {}).items() if name not in hosts}
        inventory = {"postgres": {"hosts": {**hosts, **more}}}
        (self.place / "inventory.json").write_text(json.dumps(inventory))
        (self.place / "book.yml").write_text(BOOK)
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab/collections"),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
        }
        argv = [str(ROOT / ".venv/bin/ansible-playbook"), "-i", "inventory.json", book or "book.yml", *options]
        begun = time.monotonic()
        done = subprocess.run(
            argv,
            cwd=self.place,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return Played(done.returncode, done.stdout, time.monotonic() - begun)


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Cluster orders with two servers and a pooler, cluster ledger with one bare host."""
    release = releases(request.config)[-1]

    def start(name: str) -> Node:
        return Node.start(f"preflight-{name}", release, bare=name == "books")

    names = ("db1", "db2", "books")
    with ThreadPoolExecutor(max_workers=3) as threads:
        nodes = dict(zip(names, threads.map(start, names)))
    # One more host of the inventory, which need not be one of its own.
    nodes["pool"] = nodes["books"]
    Cluster.create(nodes["db1"]).clone_standby(nodes["db2"])
    reach = {
        name: {
            "ansible_connection": "community.docker.docker",
            "ansible_host": node.container,
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_remote_tmp": "/tmp/.ansible",
            "postgres_address": node.ip,
        }
        for name, node in nodes.items()
    }
    orders = {
        "postgres_cluster": "orders",
        "postgres_hosts": ["db1", "db2"],
        "postgres_poolers": ["pool"],
        "postgres_first_primary": "db2",
    }
    ledger = {"postgres_cluster": "ledger", "postgres_hosts": ["books"], "postgres_first_primary": "books"}
    hosts = {name: {**reach[name], **(ledger if name == "books" else orders)} for name in nodes}
    yield Site(hosts, tmp_path_factory.mktemp("preflight"))
    for name in names:
        nodes[name].stop()


def test_two_clusters_pass(site: Site) -> None:
    played = site.play()
    assert played.code == 0, played.text
    # The first primary of the inventory is not who the servers say it is.
    assert played.passed == {"db1": "primary", "db2": "standby", "pool": "pooler", "books": "bootstrap"}
    assert changes(played.text) == {}


def test_check_mode_passes_alike(site: Site) -> None:
    played = site.play(None, "--check", "--diff")
    assert played.code == 0, played.text
    assert played.passed == site.play().passed


@pytest.mark.parametrize(
    ("limit", "passed"),
    [("db2", {"db2": "standby"}), ("db1", {"db1": "primary"}), ("pool", {"pool": "pooler"})],
)
def test_one_host_alone_knows_its_cluster(site: Site, limit: str, passed: dict[str, str]) -> None:
    played = site.play(None, "--limit", limit)
    assert played.code == 0, played.text
    assert played.passed == passed


def test_a_standby_out_of_reach_stops_itself_alone(site: Site) -> None:
    played = site.play({"db2": NOWHERE})
    assert played.code != 0
    assert played.passed == {"db1": "primary", "pool": "pooler", "books": "bootstrap"}
    assert "db2 could not be looked at" in played.told


def test_a_primary_out_of_reach_stops_its_cluster_alone(site: Site) -> None:
    for limit in ("all", "db2:books"):
        played = site.play({"db1": NOWHERE}, "--limit", limit)
        assert played.code != 0
        assert played.passed == {"books": "bootstrap"}
        assert "No primary is seen, and db1 could not be looked at" in played.told


def test_a_bad_inventory_is_refused_before_anybody_is_contacted(site: Site) -> None:
    """All at once; nobody there would have been noticed."""
    wrong = {
        **NOWHERE,
        "postgres_first_primary": "db3",
        "preflight_other_source": True,
        "postgres_hosts": ["db1", "db2", "db9"],
        "postgres_address": "10.0.0.1",
    }
    played = site.play(dict.fromkeys(("db1", "db2", "pool"), wrong) | {"books": {**NOWHERE, "postgres_hosts": []}})
    assert played.code != 0
    assert played.passed == {}
    assert "UNREACHABLE" not in played.text
    told = played.told
    for words in (
        "did you mean preflight_other_sources?",
        "names db9, which the inventory lacks",
        "is db3, which is not in postgres_hosts",
        "have the same address 10.0.0.1",
        "books has no postgres_hosts",
    ):
        assert words in told
    assert played.seconds < 15


def test_a_version_that_the_distribution_lacks(site: Site) -> None:
    played = site.play({"books": {"postgres_version": 9}}, "--limit", "books")
    assert played.code != 0
    assert "books has no PostgreSQL 9 in its package sources" in played.told
    allowed = site.play({"books": {"postgres_version": 9, "preflight_other_sources": True}}, "--limit", "books")
    assert allowed.passed == {"books": "bootstrap"}


def test_the_playbook_tells_who_is_what(site: Site) -> None:
    played = site.play({"db2": NOWHERE}, book="runbook.postgres.topology")
    assert played.code == 0, played.text
    told = played.told
    assert "orders: primary is db1" in told
    assert "db2 could not be looked at" in told
    assert "ledger: to be made, primary is books" in told
