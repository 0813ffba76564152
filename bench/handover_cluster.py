"""Three servers and a pooler that `site` built, whose primary is handed over, lost and brought back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import images, inventory, networks
from lab.docker import docker
from lab.errors import LabError
from lab.nodes import Node, container_name
from lab.waiting import wait_until

from .clients import Clients
from .playing import Played, play

RELEASE = 12
SERVERS = {"hand-pg1": 65, "hand-pg2": 66, "hand-pg3": 67}
POOLERS = {"hand-pool1": 68}
(POOLER,) = POOLERS
NODES = {**SERVERS, **POOLERS}
CLUSTER, DATABASE, PASSWORD = "handed", "shop", "only-in-the-bench"
CLIENTS = 32
# What a busy machine of two cores may take for anything that is waited for.
BOUND = 180.0

VARIABLES: dict[str, Any] = {
    # There is no archive. An old primary that comes back needs what was written since, which a checkpoint would remove.
    "provision_settings": {"wal_keep_size": "1GB"},
    "provision_roles": [{"name": "app", "password": PASSWORD}],
    "provision_databases": [{"name": DATABASE, "owner": "app"}],
    "patroni_etcd_hosts": list(SERVERS),
}
INSERTED = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'pgbench_history'"
STREAMING = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
# Nobody answers there, as where a host is off.
NOWHERE: Mapping[str, Any] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}


@dataclass
class Handed:
    directory: Path
    nodes: dict[str, Node] = field(default_factory=dict)

    def build(self) -> Clients:
        images.ensure(RELEASE)
        network = networks.ensure()

        def start(name: str) -> Node:
            return Node.start(name, RELEASE, network=network, ip=networks.address(NODES[name]))

        with ThreadPoolExecutor(max_workers=len(NODES)) as pool:
            self.nodes = dict(zip(NODES, pool.map(start, NODES), strict=True))
        self.write()
        self.play("site")
        pooler = self.nodes[POOLER]
        target = f"host={pooler.ip} port=6432 user=app dbname={DATABASE} sslmode=require"
        clients = Clients(pooler, target, CLIENTS)
        clients.prepare(f"*:*:*:app:{PASSWORD}\n")
        return clients

    @staticmethod
    def remove() -> None:
        for name in NODES:
            Node.remove(name)

    @property
    def hosts(self) -> Path:
        return self.directory / "hosts.yml"

    def write(self, lost: str = "") -> None:
        """The inventory; of one that is lost it says how its power is proven to be off."""
        hosts = {lost: NOWHERE} if lost else {}
        fence = power(lost) if lost else {}
        inventory.write(self.directory, SERVERS, POOLERS, {**VARIABLES, **fence}, cluster=CLUSTER, hosts=hosts)

    def play(self, playbook: str, **variables: Any) -> Played:
        return play(self.hosts, playbook, **variables)

    def ask(self, name: str, sql: str, database: str = "postgres") -> str:
        """As the superuser there; nothing where there is nobody to ask."""
        argv = ["psql", "-XAtq", "-d", database, "-c", sql]
        return self.nodes[name].exec(argv, user="postgres", check=False, timeout=60).stdout.strip()

    def primaries(self) -> list[str]:
        return [name for name in SERVERS if self.ask(name, "SELECT pg_is_in_recovery()") == "f"]

    def primary(self) -> str:
        found = self.primaries()
        if len(found) != 1:
            raise LabError(f"Of the servers {', '.join(found) or 'none'} take writes, so there is nothing to compare.")
        return found[0]

    def wait_followed(self, primary: str, by: int) -> None:
        wait_until(f"{by} follow {primary}", lambda: self.ask(primary, STREAMING) == str(by), bound=BOUND)

    def wait_whole(self) -> None:
        wait_until("there is one primary", lambda: len(self.primaries()) == 1, bound=BOUND)
        self.wait_followed(self.primary(), len(SERVERS) - 1)

    def wait_written(self) -> None:
        """Clients write to the primary that there is now."""
        primary = self.primary()
        begun = self.inserted(primary)
        what = f"clients write to {primary}"
        wait_until(what, lambda: self.inserted(primary) >= begun + 10 * CLIENTS, bound=BOUND, pause=0.5)

    def inserted(self, primary: str) -> int:
        return int(self.ask(primary, INSERTED, DATABASE) or 0)

    def kill(self, name: str) -> None:
        docker("kill", self.nodes[name].container)

    def boot(self, name: str) -> None:
        docker("start", self.nodes[name].container)
        self.nodes[name].wait_until_booted()


def power(name: str) -> dict[str, Sequence[str]]:
    """As a user fences by the power of a host, and has it proven."""
    container = container_name(name)
    running = ["docker", "inspect", "--format", "{{ '{{.State.Running}}' }}", container]
    return {
        "failover_fence_command": ["sh", "-c", f"docker kill {container} >/dev/null 2>&1; true"],
        "failover_fence_proof": ["sh", "-c", '[ "$("$@")" = false ]', "sh", *running],
    }
