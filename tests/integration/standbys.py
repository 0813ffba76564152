"""A primary with TLS and client certificates, and hosts beside it on which standbys are wanted."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lab.clusters import Cluster
from lab.nodes import Node
from lab.waiting import wait_until
from tests.integration import inside

TLS = "/etc/ssl/postgres"
NAMES = ("first", "second", "third")
SETTINGS = {
    "ssl": "on",
    "ssl_cert_file": f"{TLS}/node.crt",
    "ssl_key_file": f"{TLS}/node.key",
    "ssl_ca_file": f"{TLS}/ca.crt",
    "wal_retrieve_retry_interval": "200ms",
    "max_connections": 40,
    "shared_buffers": "32MB",
    "wal_log_hints": "on",
}
# A file system without room for a clone.
SMALL = {"/small": "size=30m,mode=0755"}
IDENT = "".join(f"members {name} replicator\n" for name in NAMES)
HBA = (
    "local all all peer",
    "hostssl replication,postgres replicator all cert map=members",
    "host all all all scram-sha-256",
)

FRESH_SLOT = """
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'NAME' AND NOT active;
SELECT pg_create_physical_replication_slot('NAME')
WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'NAME');
"""

# A certificate per node with its address, signed by one authority. Before 15 libpq looks for addresses among the names.
AUTHORITY = """
set -e; umask 077; mkdir -p /root/ca; cd /root/ca
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
  -subj /CN=authority -keyout ca.key -out ca.crt 2>/dev/null
"""
CERTIFICATE = """
set -e; umask 077; cd /root/ca
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} \
  -keyout {name}.key -out {name}.csr 2>/dev/null
printf 'subjectAltName=DNS:{ip},IP:{ip}' > {name}.ext
openssl x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile {name}.ext \
  -out {name}.crt 2>/dev/null
"""

# Passes on what it hears, a while later.
FAR = """
import asyncio

async def carry(source, target):
    while word := await source.read(65536):
        await asyncio.sleep(SECONDS)
        target.write(word)
    target.close()

async def serve(*near):
    far = await asyncio.open_connection("PRIMARY", 5432)
    await asyncio.gather(carry(near[0], far[1]), carry(far[0], near[1]), return_exceptions=True)

async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", 6000) as server:
        await server.serve_forever()

asyncio.run(main())
"""


@dataclass(frozen=True)
class Trio:
    """Three nodes, the first of which has the primary."""

    nodes: tuple[Node, ...]
    primary: Cluster
    # Of standbys that are registered on the other nodes.
    clusters: dict[str, Cluster] = field(default_factory=dict)

    @property
    def version(self) -> int:
        return self.primary.version

    def node(self, name: str) -> Node:
        return self.nodes[NAMES.index(name)]

    @cached_property
    def system_identifier(self) -> str:
        return self.primary.psql("SELECT system_identifier FROM pg_control_system()")

    def options(self, name: str, **more: Any) -> dict[str, Any]:
        return {
            "version": self.version,
            "upstream_hosts": [self.primary.node.ip],
            "sslrootcert": f"{TLS}/ca.crt",
            "sslcert": f"{TLS}/node.crt",
            "sslkey": f"{TLS}/node.key",
            "slot": name,
            **more,
        }

    def clone(
        self, name: str, *, check: bool = False, die: inside.Interrupt | None = None, **more: Any
    ) -> inside.Ended:
        options = self.options(name, **more)
        return inside.run(self.node(name), "pg_standby", options, check=check, die=die, user="root")

    def stream(self, name: str, *, check: bool = False, **more: Any) -> inside.Ended:
        options = {"state": "streaming", "version": self.version, "timeout": 30, **more}
        return inside.run(self.node(name), "pg_standby", options, check=check, user="root")

    def follow(self, name: str, **settings: Any) -> Cluster:
        """The settings with which a clone finds its primary, written by hand, and its access rules."""
        cluster = Cluster(self.node(name), self.version, password=self.primary.password)
        own = {"cluster_name": name, "primary_conninfo": self.conninfo(), "primary_slot_name": name}
        cluster.configure({"listen_addresses": "*", **SETTINGS, **own, **settings})
        self.let_in(cluster)
        self.clusters[name] = cluster
        return cluster

    def conninfo(self, place: str | None = None) -> str:
        """Whoever is the primary, or the first one by way of another place."""
        hosts = ",".join(node.ip for node in self.nodes)
        return (
            f"{place or f'host={hosts} port=5432'} user=replicator target_session_attrs=read-write sslmode=verify-full "
            f"sslrootcert={TLS}/ca.crt sslcert={TLS}/node.crt sslkey={TLS}/node.key connect_timeout=3"
        )

    @contextlib.contextmanager
    def far_away(self, name: str, seconds: float) -> Iterator[str]:
        """A way to the primary on which every word takes so long, as a place of a conninfo."""
        node, primary = self.node(name), self.primary.node.ip
        node.write("/tmp/far.py", FAR.replace("PRIMARY", primary).replace("SECONDS", str(seconds)))
        pid = node.exec(["sh", "-c", "python3 /tmp/far.py >/dev/null 2>&1 & echo $!"]).stdout.strip()
        try:
            yield f"host={primary} hostaddr=127.0.0.1 port=6000"
        finally:
            node.exec(["kill", pid])

    def let_in(self, cluster: Cluster) -> None:
        cluster.node.write(f"{cluster.config_directory}/pg_ident.conf", IDENT, owner="postgres:postgres", mode="0640")
        cluster.write_hba(HBA)

    def clear(self, name: str) -> None:
        """The node as if no instance had ever been on it."""
        node = self.node(name)
        unit = f"postgresql@{self.version}-main.service"
        node.exec(["systemctl", "stop", unit], check=False)
        self.clusters.pop(name, None)
        for place in ("/var/lib/postgresql", "/etc/postgresql", "/var/log/postgresql", "/srv/wal"):
            node.exec(["sh", "-c", f"rm -rf {place}/* {place}/.[a-z]*"])
        node.exec(["rm", "-f", inside.HELD])
        node.exec(["systemctl", "daemon-reload"])

    def files(self, name: str, place: str | None = None) -> list[str]:
        """What lies in a directory, by default beside the data."""
        listed = self.node(name).exec(["ls", "-A", place or f"/var/lib/postgresql/{self.version}"], check=False)
        return listed.stdout.split()

    def slots(self, *names: str) -> None:
        """These slots are on the primary, and are as new."""
        for name in names:
            self.primary.psql(FRESH_SLOT.replace("NAME", name))


def build(release: int, names: Sequence[str] = NAMES, settings: Mapping[str, Any] | None = None) -> Trio:
    with ThreadPoolExecutor(max_workers=3) as pool:
        nodes = tuple(pool.map(lambda name: Node.start(f"standby{release}-{name}", release, tmpfs=SMALL), names))
        list(pool.map(inside.install, nodes))
    first = nodes[0]
    first.exec(["sh", "-c", AUTHORITY])
    for name, node in zip(names, nodes):
        first.exec(["sh", "-c", CERTIFICATE.format(name=name, ip=node.ip)])
        node.exec(["install", "-d", "-o", "postgres", "-g", "postgres", "-m", "0755", TLS])
        for source, target in (("ca.crt", "ca.crt"), (f"{name}.crt", "node.crt"), (f"{name}.key", "node.key")):
            text = first.exec(["cat", f"/root/ca/{source}"]).stdout
            node.write(f"{TLS}/{target}", text, owner="postgres:postgres", mode="0600")
    primary = Cluster.create(first, settings={**SETTINGS, "cluster_name": names[0], **(settings or {})}, start=False)
    trio = Trio(nodes, primary)
    trio.let_in(primary)
    primary.start()
    primary.psql("CREATE ROLE replicator LOGIN REPLICATION; CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")
    trio.slots(*names[1:])
    return trio


@contextlib.contextmanager
def trio(release: int) -> Iterator[Trio]:
    built = build(release)
    try:
        yield built
    finally:
        for node in built.nodes:
            node.stop()


def wait_for(what: str, cluster: Cluster, sql: str, wanted: str, bound: float = 30.0) -> None:
    wait_until(what, lambda: cluster.psql(sql, check=False) == wanted, bound=bound)


STREAMING = "SELECT string_agg(application_name, ' ' ORDER BY 1) FROM pg_stat_replication WHERE state = 'streaming'"


def made(ended: inside.Ended) -> dict[str, Any]:
    assert not ended.result.get("failed"), ended.result.get("msg", ended.text)
    return dict(ended.result)


def refused(ended: inside.Ended) -> str:
    sentence = ended.failure
    assert "condition it does not know" not in sentence
    assert not ended.result.get("changed")
    return sentence


def streams(trio: Trio, *names: str) -> None:
    wait_for(f"{names} stream", trio.primary, STREAMING, " ".join(names))


def standby(trio: Trio, name: str = "second", **settings: Any) -> Cluster:
    made(trio.clone(name))
    cluster = trio.follow(name, **settings)
    made(trio.stream(name))
    return cluster


SLOW: dict[str, Any] = {"max_rate": "4M"}


def going(fresh: Trio, name: str, **more: Any) -> subprocess.Popen[str]:
    """A clone that has begun to copy."""
    node = fresh.node(name)
    argv = ["docker", "exec", "--interactive", "--user=root", node.container, *inside.command(None)]
    run = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdin is not None
    run.stdin.write(inside.request("pg_standby", fresh.options(name, **SLOW, **more)))
    run.stdin.close()
    run.stdin = None
    place = f"/var/lib/postgresql/{fresh.version}/main.clone/data/base"
    wait_until("the copy goes on", lambda: node.exec(["test", "-d", place], check=False).returncode == 0)
    return run
