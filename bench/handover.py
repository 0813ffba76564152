"""Our switchover and failover against Patroni, on one cluster under one load, which is handed to Patroni for it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from . import handover_sides as sides
from .clients import RATE, Clients
from .handover_cluster import CLIENTS, RELEASE, Handed
from .handover_sides import Act, Seen
from .measure import Pair
from .registry import Aim, Benchmark, Group, Say

SWITCHOVERS, FAILOVERS = 3, 1  # of each side; medians are compared

SWITCHED, LOST = "patronictl switchover", "Patroni by itself"
WHERE = (
    f"Debian {RELEASE}, PostgreSQL 15, three servers and PgBouncer in containers on this machine, commits wait for no "
    f"standby, {CLIENTS} clients of pgbench (TPC-B), each of which begins {RATE} transactions a second, through "
    "PgBouncer; first ours, then the same cluster handed to Patroni 3.0 with etcd 3.4 on the servers, as role patroni "
    "does by default: PgBouncer is led to whom Patroni's REST interface names, asked every second"
)
BORNE = (
    "pause: the longest time without a commit; failed: transactions that clients were told have failed; seconds: the "
    "whole run, until those follow that are left"
)
SWITCH = f"{WHERE}; median of {SWITCHOVERS}; {BORNE}"
KEPT = f"{SWITCH}; ours: our playbook on the cluster that Patroni keeps"
LOSS = (
    f"{WHERE}; ttl 30, loop_wait 10; docker kill of the primary, our playbook begun at that moment, the fence a "
    f"command with a proof; {BORNE}; commit: from the decision to the first commit, theirs from when the lock is taken"
)
COUNT = "transactions"


def bench(name: str, peer: str, unit: str, conditions: str, aim: Aim | None = None) -> Benchmark:
    # What is measured is measured as the group opens, since a cluster is handed to Patroni once.
    return Benchmark(name, peer, unit, conditions, aim, rounds=1, bound=1.0)


BENCHMARKS = (
    bench("switchover_pause", SWITCHED, "s", SWITCH, Aim("ours", 1.0)),
    bench("switchover_failed", SWITCHED, COUNT, SWITCH, Aim("ours", 1)),
    bench("switchover_seconds", SWITCHED, "s", SWITCH),
    bench("switchover_patroni_pause", SWITCHED, "s", KEPT, Aim("ratio", 1.0)),
    bench("switchover_patroni_failed", SWITCHED, COUNT, KEPT, Aim("ours", 1)),
    bench("failover_commit", LOST, "s", LOSS, Aim("ours", 5.0)),
    bench("failover_pause", LOST, "s", LOSS),
    bench("failover_failed", LOST, COUNT, LOSS),
    bench("failover_seconds", LOST, "s", LOSS),
)

Figures = dict[str, list[Seen]]


@dataclass(frozen=True)
class Step:
    what: str
    act: Callable[[Handed], Act]
    rounds: int
    # The benchmarks that want it, by how their names begin.
    wanted_by: frozenset[str]
    # Has the one that was lost back.
    back: Callable[[Handed, str], None] | None = None


OURS = (
    Step("switchover", sides.switched, SWITCHOVERS, frozenset({"switchover"})),
    Step("failover", sides.failed_over, FAILOVERS, frozenset({"failover"}), sides.brought_back),
)
THEIRS = (
    Step("switchover_patroni", sides.switched, SWITCHOVERS, frozenset({"switchover_patroni"})),
    Step(SWITCHED, sides.patroni_switched, SWITCHOVERS, frozenset({"switchover", "switchover_patroni"})),
    Step(LOST, sides.patroni_failed_over, FAILOVERS, frozenset({"failover"}), Handed.boot),
)


@contextlib.contextmanager
def opened(names: Collection[str], say: Say) -> Iterator[Mapping[str, Pair]]:
    wanted = {each.rpartition("_")[0] for each in names}
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="bench-handover-") as place:
        cluster = Handed(Path(place))
        try:
            say(f"Building the cluster: {WHERE}")
            clients = cluster.build()
            take(OURS, wanted, cluster, clients, figures, say)
            say("Handing the cluster to Patroni")
            cluster.play("patroni")
            take(THEIRS, wanted, cluster, clients, figures, say)
        finally:
            cluster.remove()
    yield {name: pair(figures, name) for name in names}


GROUP = Group(BENCHMARKS, opened)


def take(
    steps: Collection[Step], wanted: set[str], cluster: Handed, clients: Clients, figures: Figures, say: Say
) -> None:
    for step in steps:
        if not step.wanted_by & wanted:
            continue
        figures[step.what] = []
        for _ in range(step.rounds):
            cluster.wait_whole()
            old = cluster.primary()
            seen = sides.seen(cluster, clients, step.act)
            figures[step.what].append(seen)
            say(f"{step.what}: {seen}")
            if step.back is not None:
                step.back(cluster, old)


def pair(figures: Figures, name: str) -> Pair:
    """As measured: both sides are asked again and say the same."""
    what, _, figure = name.rpartition("_")
    peer = LOST if what == "failover" else SWITCHED
    ours, theirs = ([float(getattr(each, figure)) for each in figures[side]] for side in (what, peer))
    return Pair(lambda: median(ours), lambda: median(theirs))
