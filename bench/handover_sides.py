"""What either side does while clients write: our playbooks, and Patroni with the pooler that role patroni set up."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError
from lab.waiting import wait_until

from .clients import Clients
from .handover_cluster import BOUND, CLUSTER, SERVERS, Handed

DECIDED = "Show the decision and what it rests on"
# What Patroni on the new leader says when it has the lock, and is about to promote.
LOCKED = re.compile(r"^(\d+\.\d+) .*promoted self to leader by acquiring session lock", re.MULTILINE)
SETTLED_SECONDS = 3.0


@dataclass(frozen=True)
class Act:
    seconds: float
    # When it was decided who takes over, in seconds since the epoch.
    decided: float = 0.0


@dataclass(frozen=True)
class Seen:
    """The figures of one handover: the names of benchmarks end with them."""

    pause: float
    failed: float
    seconds: float
    commit: float

    def __str__(self) -> str:
        commit = f", a commit {self.commit:.2f} s after the decision" if self.commit else ""
        bore = f"{self.pause:.2f} s without a commit{commit}, {self.failed:.0f} transactions failed"
        return f"{bore}, done after {self.seconds:.1f} s"


def seen(cluster: Handed, clients: Clients, act: Callable[[Handed], Act]) -> Seen:
    """What clients bore of it."""
    with clients.running():
        cluster.wait_written()
        began = time.time()
        acted = act(cluster)
        cluster.wait_written()
        time.sleep(SETTLED_SECONDS)
    told = clients.told()
    commit = told.first_after(acted.decided) - acted.decided if acted.decided else 0.0
    return Seen(told.longest_gap(began), told.failed, acted.seconds, commit)


def switched(cluster: Handed) -> Act:
    """Our playbook, which finds the best standby; on a cluster that Patroni keeps it has Patroni do it."""
    old = cluster.primary()
    played = cluster.play("switchover")
    moved(cluster, old)
    return Act(played.seconds)


def failed_over(cluster: Handed) -> Act:
    """Begun at the moment at which the primary dies."""
    old = cluster.primary()
    cluster.write(lost=old)
    cluster.kill(old)
    # Nobody can know what a primary that is gone had, where no commit waits; Patroni takes that as it comes.
    played = cluster.play("failover", failover_allow_data_loss=True)
    moved(cluster, old)
    return Act(played.seconds, played.done[DECIDED])


def brought_back(cluster: Handed, lost: str) -> None:
    """It comes up as a primary, which it must not be."""
    cluster.write()
    cluster.boot(lost)
    cluster.play("fence", fence_host=lost)
    cluster.play("rejoin", rejoin_host=lost)
    cluster.wait_whole()


def patroni_switched(cluster: Handed) -> Act:
    """As its own program does it, until both others follow, as our playbook ends no sooner."""
    old = leader(cluster)
    new = next(name for name in SERVERS if name != old)
    began = time.monotonic()
    words = ["switchover", "--leader", member(old), "--candidate", member(new), "--force", CLUSTER]
    ctl(cluster, old, *words)
    cluster.wait_followed(new, len(SERVERS) - 1)
    ended = time.monotonic()
    moved(cluster, old)
    return Act(ended - began)


def patroni_failed_over(cluster: Handed) -> Act:
    """By itself, until the one that is left follows, as our playbook ends no sooner."""
    old = leader(cluster)
    began, moment = time.monotonic(), time.time()
    cluster.kill(old)
    wait_until("another one is primary", lambda: len(cluster.primaries()) == 1, bound=BOUND)
    new = cluster.primary()
    cluster.wait_followed(new, len(SERVERS) - 2)
    ended = time.monotonic()
    argv = ["journalctl", "--quiet", "--unit=patroni", "--output=short-unix", f"--since=@{moment:.0f}"]
    locked = LOCKED.findall(cluster.nodes[new].exec(argv).stdout)
    if not locked:
        raise LabError(f"Patroni on {new} does not say when it took the lock, so there is nothing to compare.")
    return Act(ended - began, float(locked[-1]))


def moved(cluster: Handed, old: str) -> None:
    """A side that did nothing must not look fast."""
    if (new := cluster.primary()) == old:
        raise LabError(f"{new} is still primary, so there is nothing to compare.")


def ctl(cluster: Handed, name: str, *words: str) -> str:
    argv = ["patronictl", "-c", "/etc/patroni/config.yml", *words]
    return cluster.nodes[name].exec(argv, user="postgres", timeout=BOUND).stdout


def leader(cluster: Handed) -> str:
    rows: list[dict[str, Any]] = json.loads(ctl(cluster, cluster.primary(), "list", "--format=json", CLUSTER))
    leaders = {row["Member"] for row in rows if row["Role"] == "Leader"}
    found = [name for name in SERVERS if member(name) in leaders]
    if len(found) != 1:
        raise LabError(f"Patroni names {len(found)} leaders, so there is nothing to compare.")
    return found[0]


def member(name: str) -> str:
    """As the role names it to Patroni."""
    return name.replace("-", "_")
