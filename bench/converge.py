"""runbook.postgres.site against the yardstick of any playbook: one `ansible all -m ping` on the same inventory."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import images, inventory, networks
from lab.errors import LabError
from lab.nodes import Node

from .measure import Pair, timed
from .playing import run
from .registry import Aim, Benchmark, Group, Say

RELEASE = 12
SERVERS = {"bench-pg1": 61, "bench-pg2": 62, "bench-pg3": 63}
POOLERS = {"bench-pool1": 64}
NODES = {**SERVERS, **POOLERS}
VARIABLES = {
    "provision_roles": [{"name": "app", "password": "only-in-the-bench"}],
    "provision_databases": [{"name": "shop", "owner": "app"}],
}

PEER = "ansible -m ping"
WHERE = f"Debian {RELEASE}, three servers and a pooler in containers on this machine, TLS everywhere, checksums"
BENCHMARKS = (
    Benchmark(
        "converge-noop",
        PEER,
        "s",
        f"{WHERE}; the cluster is as the inventory says; theirs: one ping of the four",
        Aim("ratio", 40.0),
        rounds=5,
        bound=300.0,
    ),
    Benchmark(
        "converge-first",
        PEER,
        "s",
        f"{WHERE}; from hosts without a database, packages from the distribution; theirs: one ping of the four",
        Aim("ratio", 150.0),
        rounds=3,
        bound=600.0,
    ),
)


@contextlib.contextmanager
def opened(names: Collection[str], say: Say) -> Iterator[Mapping[str, Pair]]:
    images.ensure(RELEASE, say, bare=True)
    with tempfile.TemporaryDirectory(prefix="bench-converge-") as place:
        hosts = inventory.write(Path(place), SERVERS, POOLERS, VARIABLES, cluster="bench")
        try:
            boot()
            pairs = {}
            for name in names:
                if name == "converge-noop":
                    say("Building a cluster that is to be left as it is")
                    site(hosts)
                    pairs[name] = Pair(lambda: timed(lambda: unchanged(hosts)), lambda: timed(lambda: ping(hosts)))
                else:
                    pairs[name] = Pair(lambda: first(hosts), lambda: timed(lambda: ping(hosts)))
            yield pairs
        finally:
            for name in NODES:
                Node.remove(name)


GROUP = Group(BENCHMARKS, opened)


def boot() -> None:
    network = networks.ensure()

    def start(name: str) -> Node:
        return Node.start(name, RELEASE, bare=True, network=network, ip=networks.address(NODES[name]))

    with ThreadPoolExecutor(max_workers=len(NODES)) as pool:
        list(pool.map(start, NODES))


def first(hosts: Path) -> float:
    """Seconds of a run on nodes that were never seen before."""
    boot()
    return timed(lambda: site(hosts))


def ping(hosts: Path) -> None:
    run("ansible", "-i", str(hosts), "all", "-m", "ansible.builtin.ping")


def site(hosts: Path) -> str:
    return run("ansible-playbook", "-i", str(hosts), "runbook.postgres.site")


def unchanged(hosts: Path) -> None:
    """A side that did something else must not look fast."""
    recap = [line for line in site(hosts).splitlines() if "unreachable=" in line]
    if len(recap) < len(NODES) or not all("changed=0" in line for line in recap):
        raise LabError("The run without anything to do changed something, so there is nothing to compare.")
