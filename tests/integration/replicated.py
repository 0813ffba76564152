"""A cluster made by the roles, in the order in which a playbook calls them, and what its servers say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.checkout import ROOT
from lab.clusters import Cluster
from lab.nodes import Node
from lab.waiting import wait_until
from tests.integration.converge import Converged, converge, host_variables

MEMBERS = ("db1", "db2", "db3")
DATA = "postgres_topology.nodes[inventory_hostname].task in ['bootstrap', 'primary']"
STANDBY = "postgres_topology.nodes[inventory_hostname].task in ['clone', 'rebuild', 'standby']"
# One after the other: those that stream from a standby come when that streams.
DIRECT, CASCADING = f"{STANDBY} and replication_upstream == ''", f"{STANDBY} and replication_upstream != ''"


def _call(name: str, part: str = "main", when: str | None = None) -> dict[str, Any]:
    call = {"name": f"runbook.postgres.{name}", "tasks_from": part}
    task: dict[str, Any] = {"name": f"{name} {part}", "ansible.builtin.include_role": call}
    return {**task, "when": when} if when else task


def _play(*tasks: Mapping[str, Any]) -> dict[str, Any]:
    return {"hosts": "postgres", "gather_facts": False, "become": True, "tasks": list(tasks)}


def _standbys(when: str) -> dict[str, Any]:
    return _play(
        _call("replication", "clone", when),
        _call("replication", "settings", when),
        _call("hba", when=when),
        _call("provision", "instance", when),
        _call("replication", "follow", when),
    )


SITE = [
    _play(_call("preflight")),
    _play(_call("provision", "packages"), _call("tls")),
    _play(_call("provision", "instance", DATA), _call("hba", when=DATA), _call("replication", "primary", DATA)),
    _standbys(DIRECT),
    _standbys(CASCADING),
    _play(_call("replication", "synchronous")),
]


@dataclass
class Replicated:
    """Hosts and variables, which a test may change, and runs over them."""

    nodes: dict[str, Node]
    place: Path
    members: list[str] = field(default_factory=lambda: list(MEMBERS))
    variables: dict[str, Any] = field(default_factory=dict)
    own: dict[str, dict[str, Any]] = field(default_factory=dict)

    def host(self, name: str) -> dict[str, Any]:
        node = self.nodes[name]
        return host_variables(
            node,
            postgres_address=node.ip,
            postgres_version=node.postgresql,
            postgres_cluster="orders",
            postgres_hosts=self.members,
            postgres_first_primary="db1",
            replication_upstream="",
            provision_tune=False,
            provision_settings={"shared_buffers": "32MB", "wal_retrieve_retry_interval": "200ms"},
            replication_stream_timeout=60,
            **self.variables,
            **self.own.get(name, {}),
        )

    def run(
        self, plays: Sequence[Mapping[str, Any]] | Path, *, check: bool = False, ok: bool = True, **extra: Any
    ) -> Converged:
        hosts = {name: {**self.host(name), **extra} for name in sorted({*self.members, *self.nodes})}
        return converge(hosts, self.place, plays, extra, check=check, ok=ok)

    def site(self, *, check: bool = False, ok: bool = True) -> Converged:
        hosts = {name: self.host(name) for name in self.members}
        return converge(hosts, self.place, SITE, check=check, ok=ok)

    def playbook(self, name: str, *, check: bool = False, ok: bool = True, **extra: Any) -> Converged:
        return self.run(ROOT / "playbooks" / f"{name}.yml", check=check, ok=ok, **extra)

    def cluster(self, name: str) -> Cluster:
        node = self.nodes[name]
        return Cluster(node, node.postgresql)

    def psql(self, name: str, sql: str) -> str:
        return self.cluster(name).psql(sql)

    def streaming(self, name: str) -> list[str]:
        return self.cluster(name).streaming_standbys()

    def slots(self, name: str) -> dict[str, str]:
        """By name: active, reserved or free."""
        told = self.psql(
            name,
            "SELECT slot_name || ' ' || CASE WHEN active THEN 'active' WHEN restart_lsn IS NULL THEN 'free' "
            "ELSE 'reserved' END FROM pg_replication_slots",
        )
        return dict(line.split() for line in told.splitlines())

    def promote(self, name: str, *, old: str) -> None:
        """By hand, as an operator would at night: the primary is stopped, a standby promoted."""
        self.cluster(old).stop()
        self.cluster(name).promote()

    def wait_for(self, name: str, *standbys: str) -> None:
        wait_until(f"{standbys} stream from {name}", lambda: self.streaming(name) == list(standbys), bound=60)

    def clear(self, *names: str) -> None:
        """Hosts as they were before PostgreSQL had an instance."""
        for name in names or self.nodes:
            node = self.nodes[name]
            node.exec(["systemctl", "stop", f"postgresql@{node.postgresql}-main.service"], check=False)
            for place in ("/var/lib/postgresql", "/etc/postgresql", "/var/log/postgresql"):
                node.exec(["sh", "-c", f"rm -rf {place}/* {place}/.[a-z]*"])
            node.exec(["systemctl", "daemon-reload"])


def build(release: int, place: Path, names: Sequence[str]) -> Replicated:
    with ThreadPoolExecutor(max_workers=4) as pool:
        nodes = dict(zip(names, pool.map(lambda name: Node.start(f"repl{release}-{name}", release), names)))
    return Replicated(nodes, place)
