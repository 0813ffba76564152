"""A cluster of its own for each file of tests: bare nodes, and the inventory that names them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab import inventory, networks
from lab.nodes import Node
from tests.site.playing import Run, play

RELEASE = int(os.environ.get("SITE_RELEASE", "12"))
FIRST_ADDRESS = 41
SERVERS = ("site-pg1", "site-pg2", "site-pg3")
POOLER = "site-pool1"
PASSWORDS = {"app": 'un peu d\'été "quoted"', "monitoring": "watching-9f"}

VARIABLES: dict[str, Any] = {
    # Of all that is said to the servers they keep a log, in which no password may be.
    "provision_settings": {"max_connections": 60, "log_min_duration_statement": "2s", "log_statement": "all"},
    "provision_roles": [
        {"name": "app", "password": PASSWORDS["app"]},
        {"name": "reading", "login": False, "connection_limit": 10},
        {"name": "monitoring", "password": PASSWORDS["monitoring"], "connection_limit": 5, "member_of": ["pg_monitor"]},
    ],
    "provision_databases": [{"name": "shop", "owner": "app", "extensions": [{"name": "pg_trgm"}]}],
    "provision_privileges": [
        {"database": "shop", "roles": ["reading"], "type": "schema", "objs": ["public"], "privs": ["USAGE"]},
    ],
}


# Kills, and standbys that come and go under load, take longer than all the rest together.
LONG = (
    "test_c_interrupted",
    "test_e_replicas",
    "test_f_backups",
    "test_g_two_clusters",
    "test_h_no_room",
    "test_j_switchover_faults",
    "test_l_backup_walk",
    "test_l_failover_faults",
    "test_l_failover_of_two",
    "test_m_patroni",
    "test_n_clients",
)

# Of other files, those that build on a cluster which the rest of the file has shown already.
LONG_TESTS = {
    "test_a_cluster": (
        "test_what_is_lowered_keeps_no_standby_from_starting",
        "test_what_was_stopped_by_hand_runs_again_as_foretold",
    ),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also the long tests: kills, replicas (make site-long)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    long = [each for each in items if getattr(each, "originalname", "") in LONG_TESTS.get(each.path.stem, ())]
    config.hook.pytest_deselected(items=long)
    items[:] = [each for each in items if each not in long]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if collection_path.stem in LONG and not config.getoption("--long") else None


@dataclass
class Site:
    """Nodes, and the inventory directory that describes them."""

    directory: Path
    nodes: dict[str, Node]
    variables: dict[str, Any]
    servers: list[str] = field(default_factory=lambda: list(SERVERS))
    pooler: str = POOLER
    # The last number of each node's address, in the order in which they were booted.
    first_address: int = FIRST_ADDRESS

    @property
    def inventory(self) -> Path:
        return self.directory / "hosts.yml"

    def write(self, hosts: dict[str, dict[str, Any]] | None = None, **changed: Any) -> None:
        """The inventory as it is, with some of the cluster's variables another."""
        numbers = {name: self.first_address + place for place, name in enumerate(self.nodes)}
        servers = {name: numbers[name] for name in self.servers}
        poolers = {self.pooler: numbers[self.pooler]}
        inventory.write(self.directory, servers, poolers, {**self.variables, **changed}, cluster="shop", hosts=hosts)

    def play(self, *words: str, playbook: str = "runbook.postgres.site", **variables: Any) -> Run:
        return play(self.inventory, playbook, *words, variables=variables)

    def psql(self, name: str, sql: str, database: str = "postgres") -> str:
        """As the superuser on the node, not through anything of ours."""
        argv = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database]
        return self.nodes[name].exec(argv, user="postgres", input=sql).stdout.strip()


def booted(
    names: Sequence[str], first_address: int, *, bare: bool, tmpfs: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, Node]:
    """A node of each name, all at once; `tmpfs` has what is mounted on some of them."""
    network = networks.ensure()

    def boot(place: int) -> Node:
        mounted = (tmpfs or {}).get(names[place])
        address = networks.address(first_address + place)
        return Node.start(names[place], RELEASE, bare=bare, network=network, ip=address, tmpfs=mounted)

    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        return dict(zip(names, pool.map(boot, range(len(names))), strict=True))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three bare servers and a bare pooler."""
    nodes = booted([*SERVERS, POOLER], FIRST_ADDRESS, bare=True)
    made = Site(tmp_path_factory.mktemp("site"), nodes, dict(VARIABLES))
    made.write()
    yield made
    for node in nodes.values():
        node.stop()
