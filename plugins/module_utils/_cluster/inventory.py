# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What an inventory says of clusters, and what of it cannot be meant; no host is asked for that."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.runbook.postgres.plugins.module_utils._cluster import confirming

# What the hosts of one cluster must say alike.
ALIKE = ("postgres_hosts", "postgres_poolers", "postgres_first_primary", "postgres_version", "postgres_port")
# What is meant where nothing is said.
UNSAID = {"postgres_port": 5432}
HERE = ("localhost", "127.0.0.1", "::1")

Variables = Mapping[str, Any]


@dataclass(frozen=True)
class Cluster:
    """A cluster as its hosts describe it."""

    name: str
    described_by: str
    servers: tuple[str, ...]
    poolers: tuple[str, ...]
    first_primary: str | None

    @property
    def members(self) -> tuple[str, ...]:
        return (*self.servers, *self.poolers)


def problems(
    play: Sequence[str], inventory: Mapping[str, Variables], known: Collection[str], prefixes: Collection[str]
) -> list[str]:
    """A sentence for each thing that is wrong with the hosts of a play and the clusters they belong to.

    `known` are the variables that the roles take, `prefixes` those that belong to the roles.
    """
    play = [host for host in play if _managed(inventory[host])]
    told = [sentence for host in play for sentence in _missing(host, inventory[host])]
    clusters = _clusters(play, inventory)
    members = dict.fromkeys(name for each in clusters.values() for name in each.members if name in inventory)
    hosts = list(dict.fromkeys([*play, *members]))
    told += _unknown(hosts, inventory, known, prefixes)
    for cluster in clusters.values():
        told += [*_lists(cluster, inventory), *_differences(cluster, inventory), *_versions(cluster, inventory)]
        told += confirming.refusals(cluster.name, cluster.servers, inventory)
    told += _strays(play, inventory, clusters)
    told += _claims(clusters, inventory)
    told += _addresses(clusters, inventory)
    return told


def _managed(variables: Variables) -> bool:
    """An inventory in INI says postgres_managed=false, which is a text."""
    said = variables.get("postgres_managed")
    return said is None or bool(boolean(said, strict=False))


def _missing(host: str, variables: Variables) -> Iterator[str]:
    cluster = str(variables.get("postgres_cluster") or "")
    if not cluster:
        yield f"{host} belongs to no cluster: set postgres_cluster in the variables of its group."
    elif "/" in cluster or cluster.startswith(".") or not cluster.isprintable():
        yield (
            f"postgres_cluster of {host} is {cluster!a}, which cannot name a directory, as its authority needs one: "
            "leave out slashes, line breaks and a dot at its beginning."
        )
    servers = variables.get("postgres_hosts")
    if not servers:
        yield f"{host} has no postgres_hosts: list the inventory names of its cluster's database servers."
    for name in ("postgres_hosts", "postgres_poolers"):
        given = variables.get(name)
        if given and (isinstance(given, str) or not isinstance(given, Sequence)):
            yield f"{name} of {host} is no list: write one inventory name in each line, after a dash."


def _clusters(play: Iterable[str], inventory: Mapping[str, Variables]) -> dict[str, Cluster]:
    found: dict[str, Cluster] = {}
    for host in play:
        said = inventory[host]
        name = said.get("postgres_cluster")
        if name and name not in found and _names(said, "postgres_hosts"):
            first = said.get("postgres_first_primary") or None
            servers, poolers = _names(said, "postgres_hosts"), _names(said, "postgres_poolers")
            found[name] = Cluster(name, host, servers, poolers, first)
    return found


def _names(said: Variables, name: str) -> tuple[str, ...]:
    given = said.get(name) or ()
    return () if isinstance(given, str) or not isinstance(given, Sequence) else tuple(str(each) for each in given)


def _unknown(
    hosts: Iterable[str], inventory: Mapping[str, Variables], known: Collection[str], prefixes: Collection[str]
) -> Iterator[str]:
    """Names that begin like a role's variables and are none: a setting that would silently not be made."""
    where: dict[str, list[str]] = defaultdict(list)
    for host in hosts:
        for name in inventory[host]:
            if name not in known and any(_belongs(name, prefix) for prefix in prefixes):
                where[name].append(host)
    for name, several in where.items():
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else "take it out or correct its name."
        yield f"Variable {name} ({_and(several)}) is none that the roles know: {hint}"


def _belongs(name: str, prefix: str) -> bool:
    """Two underscores are a role's own business."""
    return name.startswith(f"{prefix}_") and not name.startswith(f"{prefix}__")


def _lists(cluster: Cluster, inventory: Mapping[str, Variables]) -> Iterator[str]:
    where = f"of cluster {cluster.name}"
    for variable, names in (("postgres_hosts", cluster.servers), ("postgres_poolers", cluster.poolers)):
        absent = [name for name in dict.fromkeys(names) if name not in inventory]
        if absent:
            yield f"{variable} {where} names {_and(absent)}, which the inventory lacks: correct the name or add it."
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        if twice:
            yield f"{variable} {where} names {_and(twice)} more than once: leave it there once."
    if cluster.first_primary and cluster.first_primary not in cluster.servers:
        near = difflib.get_close_matches(cluster.first_primary, cluster.servers, 1)
        hint = f"did you mean {near[0]}?" if near else f"choose of {_and(cluster.servers)}."
        yield f"postgres_first_primary {where} is {cluster.first_primary}, which is not in postgres_hosts: {hint}"


def _differences(cluster: Cluster, inventory: Mapping[str, Variables]) -> Iterator[str]:
    own = [name for name in cluster.members if inventory.get(name, {}).get("postgres_cluster") == cluster.name]
    for variable in ALIKE:
        said: dict[str, list[str]] = defaultdict(list)
        for host in dict.fromkeys([*own, cluster.described_by]):
            value = inventory[host].get(variable) or UNSAID.get(variable)
            words = _and(_names(inventory[host], variable)) if variable.endswith(("hosts", "poolers")) else value
            said[str(words or "not set")].append(host)
        if len(said) > 1:
            each = "; ".join(f"{value} on {_and(hosts)}" for value, hosts in said.items())
            yield (
                f"The hosts of cluster {cluster.name} have different {variable}: {each}. "
                "Set it once, in the variables of the cluster's group."
            )


def _versions(cluster: Cluster, inventory: Mapping[str, Variables]) -> Iterator[str]:
    """What is judged beforehand goes by postgres_version; a role's own would be met in the middle of it."""
    aside: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in dict.fromkeys(cluster.servers):
        variables = inventory.get(name, {})
        meant, said = variables.get("provision_version"), variables.get("postgres_version")
        if meant is not None and str(meant) != str(said or ""):
            aside[str(meant), str(said or "not set")].append(name)
    for (meant, said), names in aside.items():
        yield (
            f"provision_version is {meant} on {_and(names)}, and postgres_version is {said}: set postgres_version, "
            "which all parts of a cluster go by, and leave the other out."
        )


def _strays(play: Iterable[str], inventory: Mapping[str, Variables], clusters: Mapping[str, Cluster]) -> Iterator[str]:
    for host in play:
        cluster = clusters.get(inventory[host].get("postgres_cluster") or "")
        if cluster is not None and host not in cluster.members:
            yield (
                f"{host} says that it belongs to cluster {cluster.name}, whose postgres_hosts and "
                "postgres_poolers do not name it: add it to one of them, or leave it out of the play."
            )


def _claims(clusters: Mapping[str, Cluster], inventory: Mapping[str, Variables]) -> Iterator[str]:
    claimed: dict[str, list[str]] = defaultdict(list)
    for cluster in clusters.values():
        for name in dict.fromkeys(cluster.members):
            claimed[name].append(cluster.name)
            own = inventory.get(name, {}).get("postgres_cluster")
            if own and own != cluster.name:
                claimed[name].append(own)
    for name, several in claimed.items():
        names = list(dict.fromkeys(several))
        if len(names) > 1:
            yield f"{name} is claimed by the clusters {_and(names)}: it can belong to one only; correct their lists."


def address(name: str, variables: Variables) -> str:
    """How the others reach a host."""
    if "postgres_address" in variables:
        return str(variables["postgres_address"] or "")
    return str(variables.get("ansible_host") or name)


def _addresses(clusters: Mapping[str, Cluster], inventory: Mapping[str, Variables]) -> Iterator[str]:
    taken: dict[tuple[str, str], list[str]] = defaultdict(list)
    servers = dict.fromkeys(name for cluster in clusters.values() for name in cluster.servers)
    alone = {cluster.servers[0] for cluster in clusters.values() if len(cluster.members) == 1}
    for name in servers:
        if name in inventory:
            found = address(name, inventory[name])
            taken[found, str(inventory[name].get("postgres_port") or "")].append(name)
            if not found:
                yield f"{name} has no address: set its postgres_address to how the other hosts reach it."
            elif found in HERE and name not in alone:
                yield (
                    f"{name} has the address {found}, which means every host itself: set its postgres_address to how "
                    "the other hosts reach it."
                )
    for cluster in clusters.values():
        given = [name for name in cluster.servers if "postgres_address" in inventory.get(name, {})]
        for name in cluster.servers:
            if given and name in inventory and name not in given:
                yield (
                    f"{name} has no postgres_address, which {given[0]} has: set it to how the other hosts reach it, "
                    "since the way in that Ansible takes may be another."
                )
    for (found, _port), names in taken.items():
        if found and found not in HERE and len(names) > 1:
            yield f"{_and(names)} have the same address {found}: set postgres_address of each to its own."


def _and(names: Sequence[str]) -> str:
    return " and ".join(", ".join(names).rsplit(", ", 1))
