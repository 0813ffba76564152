# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A cluster as it was seen at one moment, in the words that moving its primary needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._failover.keeper import Keeper
from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch, later, position


@dataclass(frozen=True)
class Node:
    """A database server; of one that could not be looked at only its names are known."""

    name: str
    # What PostgreSQL calls it.
    member: str
    address: str
    # pg_node.instance; None if it could not be looked at.
    instance: Mapping[str, Any] | None = None
    promoters: tuple[str, ...] = ()
    wal_free_bytes: int | None = None
    # Why it could not be looked at, or is left alone.
    reason: str = ""

    def told(self, key: str) -> Any:
        return (self.instance or {}).get(key)

    def setting(self, name: str) -> Any:
        return (self.told("settings") or {}).get(name)

    @property
    def seen(self) -> bool:
        return self.instance is not None

    @property
    def running(self) -> bool:
        return bool(self.told("state") == "running")

    @property
    def blank(self) -> bool:
        """It has no data, so that nothing can be lost with it, and nobody can follow or be followed."""
        return self.told("state") in ("absent", "empty") and not bool(self.told("has_data"))

    @property
    def silent(self) -> bool:
        """It has a server, or data, that does not tell what it is."""
        return self.told("state") in ("broken", "foreign") or (self.running and self.told("role") is None)

    @property
    def primary(self) -> bool:
        """A running server that takes writes."""
        return self.running and self.told("role") == "primary"

    @property
    def standby(self) -> bool:
        return self.running and self.told("role") == "standby"

    @property
    def stopped_primary(self) -> bool:
        return (self.told("state"), self.told("role")) == ("stopped", "primary")

    @property
    def stopped_standby(self) -> bool:
        return (self.told("state"), self.told("role")) == ("stopped", "standby")

    @property
    def system_identifier(self) -> str | None:
        told = self.told("system_identifier")
        return None if told is None else str(told)

    @property
    def branch(self) -> Branch | None:
        timeline = self.told("timeline")
        if timeline is None:
            return None
        lsn = later(self.told("receive_lsn"), self.told("replay_lsn"), self.told("current_lsn"))
        return Branch.of(int(timeline), lsn, self.told("history") or ())

    @property
    def reach(self) -> int:
        """The last position that it certainly has."""
        return position(self.branch.lsn) if self.branch else 0

    @property
    def certain(self) -> bool:
        """It says how much it has; a standby that received nothing since its start may yet find more to replay."""
        return self.standby and not (self.told("receive_lsn") is None and self.told("awaits_wal") is False)

    @property
    def to_replay(self) -> int:
        return max(self.reach - position(str(self.told("replay_lsn") or "0/0")), 0)

    @property
    def upstream(self) -> str | None:
        """From where it streams now."""
        told = self.told("upstream") or {}
        return f"{told.get('host')}:{told.get('port')}" if told.get("status") == "streaming" else None

    @property
    def slots(self) -> frozenset[str]:
        return frozenset(str(each["name"]) for each in self.told("slots") or ())


@dataclass(frozen=True)
class Pooler:
    name: str
    # Why it could not be looked at; empty if it was.
    reason: str = ""


@dataclass(frozen=True)
class Snapshot:
    nodes: tuple[Node, ...]
    poolers: tuple[Pooler, ...] = ()
    # What is wrong with the cluster as a whole, as it was decided before.
    refusals: tuple[str, ...] = ()
    # Who keeps the cluster and is to be asked; None where nobody does, or nobody is to be.
    keeper: Keeper | None = None

    @property
    def primaries(self) -> tuple[Node, ...]:
        return tuple(each for each in self.nodes if each.primary)

    @property
    def primary(self) -> Node | None:
        """The one primary; None where there is none, or more than one."""
        found = self.primaries
        return found[0] if len(found) == 1 else None

    def node(self, name: str | None) -> Node | None:
        return next((each for each in self.nodes if each.name == name), None)

    @property
    def names(self) -> str:
        return ", ".join(each.name for each in self.nodes)


def taken(cluster: Mapping[str, Any], topology: Mapping[str, Any]) -> Snapshot:
    """From what the topology was decided from, and the topology."""
    nodes = [_node(name, facts, topology["nodes"][name], cluster) for name, facts in cluster["nodes"].items()]
    poolers = [Pooler(name, str(told.get("refusal") or "")) for name, told in (topology.get("poolers") or {}).items()]
    return Snapshot(tuple(nodes), tuple(poolers), tuple(topology.get("refusals") or ()))


def _node(name: str, facts: Mapping[str, Any] | None, told: Mapping[str, Any], cluster: Mapping[str, Any]) -> Node:
    machine = (facts or {}).get("machine") or {}
    return Node(
        name,
        str(told["member"]),
        str(told.get("address") or name),
        (facts or {}).get("instance"),
        tuple(_texts(machine.get("promoters"))),
        machine.get("wal_free_bytes"),
        str(told.get("refusal") or (cluster.get("reasons") or {}).get(name) or ""),
    )


def _texts(given: Iterable[Any] | None) -> list[str]:
    return [str(each) for each in given or ()]
