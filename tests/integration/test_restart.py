"""The rolling restart, on a primary and two standbys: who restarts, in which order, and who does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.checkout import ROOT
from lab.clusters import Cluster
from lab.nodes import Node
from lab.waiting import wait_until
from tests.integration.converge import Converged, converge, host_variables

NAMES = ("restart1", "restart2", "restart3")
PRIMARY, *STANDBYS = NAMES
SETTINGS = {"max_connections": 40, "shared_buffers": "32MB", "cluster_name": "orders"}


@dataclass(frozen=True)
class Trio:
    clusters: Mapping[str, Cluster]

    def configure(self, **changes: object) -> None:
        for cluster in self.clusters.values():
            cluster.configure({"listen_addresses": "*", **SETTINGS, **changes})
            cluster.reload()
        wait_until("all have read their files", lambda: all(map(self.pending, self.clusters.values())))

    @staticmethod
    def pending(cluster: Cluster) -> str:
        return cluster.psql("SELECT string_agg(name, ',' ORDER BY name) FROM pg_settings WHERE pending_restart")

    def began(self) -> dict[str, str]:
        query = "SELECT extract(epoch FROM pg_postmaster_start_time())"
        return {name: cluster.psql(query) for name, cluster in self.clusters.items()}

    def restarted(self, before: Mapping[str, str]) -> list[str]:
        """Who restarted since, in order."""
        now = self.began()
        return sorted((name for name in now if now[name] != before[name]), key=lambda name: float(now[name]))


@pytest.fixture(scope="module")
def trio() -> Iterator[Trio]:
    try:
        with ThreadPoolExecutor(3) as pool:
            nodes = list(pool.map(lambda name: Node.start(name, 12), NAMES))
        primary = Cluster.create(nodes[0], settings=SETTINGS)
        standbys = [primary.clone_standby(node, settings=SETTINGS) for node in nodes[1:]]
        yield Trio(dict(zip(NAMES, [primary, *standbys])))
    finally:
        for name in NAMES:
            Node.remove(name)


Restart = Callable[..., Converged]


@pytest.fixture
def restart(trio: Trio, tmp_path: Path) -> Restart:
    nodes = {
        name: host_variables(cluster.node, postgres_address=cluster.node.ip) for name, cluster in trio.clusters.items()
    }
    shared = {"postgres_cluster": "orders", "postgres_hosts": list(NAMES), "postgres_first_primary": PRIMARY}

    def run(*, check: bool = False, **variables: Any) -> Converged:
        return converge(nodes, tmp_path, ROOT / "playbooks/restart.yml", {**shared, **variables}, check=check)

    return run


def test_restarts_follow_what_waits(trio: Trio, restart: Restart) -> None:
    """One story: nothing waits; more connections, first without the primary; then fewer."""
    before = trio.began()
    assert restart(restart_primary=True).changes == []
    assert trio.restarted(before) == []

    trio.configure(max_connections=50)
    check, run = restart(check=True), restart()
    assert check.outcomes == run.outcomes
    assert trio.restarted(before) == STANDBYS
    assert "restart_primary=true" in str(run.task("Tell who waits on").result["msg"])
    assert restart().changes == []

    before = trio.began()
    restart(restart_primary=True)
    assert trio.restarted(before) == [PRIMARY]
    assert restart(restart_primary=True).changes == []

    # Standbys may not have fewer, so that without the primary nobody restarts.
    before = trio.began()
    trio.configure(max_connections=45)
    assert restart().changes == []
    assert trio.restarted(before) == []
    check, run = restart(check=True, restart_primary=True), restart(restart_primary=True)
    assert check.outcomes == run.outcomes
    assert trio.restarted(before) == list(NAMES)
    assert sorted(trio.clusters[PRIMARY].streaming_standbys()) == [f"{name}_main" for name in STANDBYS]


def test_a_standby_that_commits_wait_for_waits_on(trio: Trio, restart: Restart) -> None:
    kept = trio.clusters[PRIMARY].psql("SHOW max_connections")
    waited = f"({', '.join(f'{name}_main' for name in STANDBYS)})"
    trio.configure(max_connections=kept, synchronous_standby_names=f"ANY 2 {waited}", shared_buffers="40MB")
    confirming = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'"
    wait_until("both confirm", lambda: trio.clusters[PRIMARY].psql(confirming) == "2")
    before = trio.began()
    run = restart()
    assert run.changes == []
    assert "would wait for its return" in str(run.task("Tell who waits on").result["msg"])
    assert trio.restarted(before) == []
    # One of them is enough while the other goes.
    trio.configure(max_connections=kept, synchronous_standby_names=f"ANY 1 {waited}", shared_buffers="40MB")
    restart()
    assert trio.restarted(before) == STANDBYS
    restart(restart_primary=True)
    assert trio.restarted(before) == [*STANDBYS, PRIMARY]


def test_a_server_that_does_not_come_back_ends_it(trio: Trio, restart: Restart) -> None:
    # Nothing falls, so that the primary is the last.
    kept = {"max_connections": trio.clusters[PRIMARY].psql("SHOW max_connections"), "shared_buffers": "48MB"}
    trio.configure(**kept)
    first = trio.clusters[STANDBYS[0]]
    first.configure({"listen_addresses": "*", **SETTINGS, **kept, "shared_preload_libraries": "nope"})
    before = trio.began()
    with pytest.raises(AssertionError, match="nope"):
        restart(restart_primary=True)
    first.configure({"listen_addresses": "*", **SETTINGS, **kept})
    first.start()
    assert trio.restarted(before) == [STANDBYS[0]]
    restart(restart_primary=True)
    assert trio.restarted(before) == [*STANDBYS, PRIMARY]


def test_who_copies_once_is_neither_broken_off_nor_waited_for(trio: Trio, restart: Restart) -> None:
    """A base backup is let end; whoever receives WAL for itself need not come back."""
    source, node = trio.clusters[STANDBYS[0]], trio.clusters[STANDBYS[1]].node
    trio.clusters[STANDBYS[1]].write_passfile(source)
    way = f"host={source.node.ip} port={source.port} user=postgres"
    trio.configure(max_connections=source.psql("SHOW max_connections"), shared_buffers="56MB")
    before = trio.began()
    with copying(node, source, "backup", ["pg_basebackup", f"--dbname={way}", "--max-rate=32k", "--pgdata=/tmp/copy"]):
        for check in (True, False):
            with pytest.raises(AssertionError, match=f"A base backup runs from {STANDBYS[0]} to {node.ip}"):
                restart(check=check)
    assert trio.restarted(before) == []
    receiver = ["pg_receivewal", f"--dbname={way}", "--no-loop", "--directory=/tmp"]
    with copying(node, source, "streaming", receiver):
        restart(restart_timeout=120)
        assert trio.restarted(before) == STANDBYS


@contextmanager
def copying(node: Node, source: Cluster, state: str, argv: list[str]) -> Iterator[None]:
    """A program that takes something from `source`, from when it does until it is stopped."""
    unit = ["systemd-run", "--quiet", "--collect", "--unit=copying", "--uid=postgres"]
    node.exec(
        [*unit, "--setenv=HOME=/var/lib/postgresql", f"/usr/lib/postgresql/{source.version}/bin/{argv[0]}", *argv[1:]]
    )
    sql = "SELECT application_name || ' ' || state FROM pg_stat_replication"
    try:
        wait_until(f"{argv[0]} copies", lambda: f"{argv[0]} {state}" in source.psql(sql).splitlines(), bound=60)
        yield
    finally:
        # The receiver ended with its server.
        node.exec(["systemctl", "stop", "copying"], check=False)
