# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who is handed to Patroni, or taken back from it, in which order, and why not: pure.

The primary goes first on the way in. Patroni on a standby that knows of no leader would make that one primary, and it
knows of none until the primary's holds the lock. On the way back the primary goes last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._history import position

NAME = "Patroni"
# A name among its settings that Patroni itself makes nothing of: a run of ours that has paused it and has not ended.
MARK = "runbook_unfinished"
_QUORUM = 3


@dataclass(frozen=True)
class Member:
    name: str
    # What pg_node_facts and pg_patroni_info say; None where it was not reached.
    node: Mapping[str, Any] | None
    info: Mapping[str, Any] | None
    # Of the topology.
    task: str
    upstream: str | None = None

    @property
    def instance(self) -> Mapping[str, Any]:
        return (self.node or {}).get("instance") or {}

    @property
    def promoters(self) -> Sequence[str]:
        return ((self.node or {}).get("machine") or {}).get("promoters") or ()

    @property
    def told(self) -> Mapping[str, Any] | None:
        return (self.info or {}).get("patroni")

    @property
    def configured(self) -> bool:
        return bool((self.info or {}).get("configured"))

    @property
    def held(self) -> bool:
        """Patroni runs here, and the server is one that it started."""
        return self.told is not None and bool((self.info or {}).get("runs_server"))


@dataclass(frozen=True)
class Wish:
    state: str = "managed"
    scope: str = ""
    # Hosts of etcd, and those of them that were reached.
    etcd: Sequence[str] = ()
    etcd_reached: Sequence[str] = ()
    few_etcd: bool = False
    max_lag_bytes: int = 16777216


@dataclass
class Decision:
    primary: str | None = None
    # In order.
    members: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    begun: bool = False
    # Somebody else has paused it, and it stays so.
    paused: bool = False


def decide(members: Sequence[Member], primary: str | None, wish: Wish, refusals: Sequence[str] = ()) -> Decision:
    begun = any(each.told is not None for each in members)
    decision = Decision(primary, refusals=list(refusals), begun=begun)
    decision.refusals += _strangers(members, wish)
    if decision.refusals:
        return decision
    checks = _taking(members, primary, wish) if wish.state == "managed" else _giving(members, primary)
    decision.refusals += checks
    settings = next((each.told.get("settings") or {} for each in members if each.told is not None), {})
    decision.paused = any(each.told["paused"] for each in members if each.told is not None) and MARK not in settings
    ordered = sorted(members, key=lambda each: each.name != primary)
    if wish.state == "managed":
        due = [each.name for each in ordered if not each.held]
    else:
        due = [each.name for each in reversed(ordered) if each.configured or each.promoters]
    decision.members = [] if decision.refusals else due
    if due and decision.paused:
        decision.refusals.append(
            "Patroni was paused by somebody and leaves the cluster alone: have it go on with patronictl resume when "
            "they are done, and run this again."
        )
        decision.members = []
    return decision


def _strangers(members: Sequence[Member], wish: Wish) -> Iterator[str]:
    """Whatever is wanted: who is not ours, or is somebody else's."""
    for each in members:
        others = [name for name in each.promoters if name != NAME]
        if others:
            yield (
                f"{' and '.join(others)} runs on {each.name} and promotes servers by itself: stop it on every member "
                "first."
            )
        if NAME in each.promoters and each.told is None:
            why = (each.info or {}).get("problem") or "it was not set up by this collection"
            yield (
                f"Patroni runs on {each.name} and does not tell of its cluster ({str(why).rstrip('.')}): see to that "
                "first."
            )
        elif each.told is not None and each.told["scope"] != wish.scope:
            yield (
                f"Patroni on {each.name} keeps a cluster {each.told['scope']}, and this one is {wish.scope}: "
                "correct postgres_cluster, or take the host out of postgres_hosts."
            )


def _taking(members: Sequence[Member], primary: str | None, wish: Wish) -> Iterator[str]:
    if primary is None:
        yield "No member is primary: have the cluster in order first, with runbook.postgres.topology and failover."
        return
    begun = any(each.told is not None for each in members)
    yield from _etcd(wish, begun=begun)
    lead = {each.name: each for each in members}[primary]
    for each in members:
        # One that was stopped for Patroni, which has not been started yet, is left from a run that was stopped.
        if each.held or (begun and each.configured):
            continue
        if each.node is None:
            yield f"{each.name} could not be looked at: see to the host, or take it out of postgres_hosts."
        elif each.task not in ("primary", "standby"):
            yield f"{each.name} is no member that runs yet ({each.task}): have runbook.postgres.site build it first."
        elif each.instance.get("state") != "running":
            yield f"The server on {each.name} does not run: have runbook.postgres.site start it first."
        elif each.upstream not in (None, primary):
            yield (
                f"{each.name} follows {each.upstream}, a standby, which Patroni would change: take "
                "replication_upstream of it out and have runbook.postgres.site lead it to the primary first."
            )
        elif each.name != primary:
            yield from _behind(each, lead, wish)


def _behind(each: Member, lead: Member, wish: Wish) -> Iterator[str]:
    upstream = each.instance.get("upstream") or {}
    if upstream.get("status") != "streaming" and each.told is None:
        yield f"{each.name} does not stream from {lead.name}: have runbook.postgres.site bring it back first."
        return
    replayed, current = each.instance.get("replay_lsn"), lead.instance.get("current_lsn")
    lag = position(str(current)) - position(str(replayed)) if replayed and current else 0
    if lag > wish.max_lag_bytes:
        yield (
            f"{each.name} is {lag} bytes behind {lead.name}, more than the {wish.max_lag_bytes} of "
            "patroni_max_lag_bytes: wait until it has caught up; runbook.postgres.replica_lag tells what keeps it."
        )


def _etcd(wish: Wish, *, begun: bool) -> Iterator[str]:
    count, reached = len(wish.etcd), len(wish.etcd_reached)
    unseen = " and ".join(each for each in wish.etcd if each not in wish.etcd_reached)
    if not count:
        yield "patroni_etcd_hosts is empty: name the hosts on which etcd is to run, three of them."
    elif count < _QUORUM and not wish.few_etcd:
        yield (
            f"{count} of etcd cannot lose a single host without losing the cluster's writes: name {_QUORUM} in "
            "patroni_etcd_hosts, or set patroni_few_etcd to accept that."
        )
    elif begun and reached <= count // 2:
        yield f"{unseen} could not be looked at, so that etcd has no majority: see to these hosts first."
    elif not begun and reached < count:
        yield f"{unseen} could not be looked at, and etcd begins with all of its hosts: see to them first."


def _giving(members: Sequence[Member], primary: str | None) -> Iterator[str]:
    for each in members:
        if each.node is None:
            yield (
                f"{each.name} could not be looked at, and Patroni there would go on by itself: see to the host, or "
                "take it out of postgres_hosts once it is gone for good."
            )
    if primary is None and any(each.configured or each.promoters for each in members):
        yield "No member is primary: have Patroni make one first; patronictl list tells what it waits for."
