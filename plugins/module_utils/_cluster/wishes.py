# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the inventory wants of a cluster, and what of it makes no sense by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.member import member_name


@dataclass(frozen=True)
class Wishes:
    first_primary: str | None
    rebuild: frozenset[str]
    # Whoever was kept from starting and is to come back.
    returning: frozenset[str]
    # Whoever may have gone another way and is to be brought back from it.
    rejoining: frozenset[str]
    # Whom a node follows, where that is not the primary.
    upstreams: Mapping[str, str]


def of(cluster: Mapping[str, Any]) -> Wishes:
    upstreams = {name: up for name, up in (cluster.get("upstreams") or {}).items() if up}
    rebuild, returning = named(cluster.get("rebuild")), named(cluster.get("returning"))
    rejoining = named(cluster.get("rejoining"))
    return Wishes(cluster.get("first_primary") or None, rebuild, returning | rejoining, rejoining, upstreams)


def named(given: Any) -> frozenset[str]:
    """A list, or what was typed behind -e: db1, or db1,db2."""
    several = given.split(",") if isinstance(given, str) else given or ()
    return frozenset(str(each).strip() for each in several) - {""}


def refusals(wanted: Wishes, names: Sequence[str]) -> Iterator[str]:
    members = ", ".join(names)
    if not names:
        yield "The cluster has no hosts: list them in postgres_hosts."
    if wanted.first_primary is not None and wanted.first_primary not in names:
        yield f"postgres_first_primary is {wanted.first_primary}, which is not in postgres_hosts: choose of {members}."
    for name in sorted(wanted.rebuild - set(names)):
        yield f"replication_rebuild names {name}, which is not in postgres_hosts: choose of {members}."
    yield from _clashes(names)
    for name, upstream in wanted.upstreams.items():
        if name in names and upstream not in names:
            yield f"{name} is to follow {upstream}, which is not in postgres_hosts: choose of {members}."
    yield from _cycles(wanted.upstreams)


def _clashes(names: Sequence[str]) -> Iterator[str]:
    called: dict[str, list[str]] = defaultdict(list)
    for name in names:
        called[member_name(name)].append(name)
    for member, several in called.items():
        if len(several) > 1:
            yield (
                f"{' and '.join(several)} would all be called {member} in PostgreSQL, which knows letters, digits, "
                "underscores and 63 bytes of a name: rename all but one in the inventory."
            )


def _cycles(upstreams: Mapping[str, str]) -> Iterator[str]:
    told: set[str] = set()
    for start in upstreams:
        path = [start]
        while path[-1] in upstreams and upstreams[path[-1]] not in path:
            path.append(upstreams[path[-1]])
        back = upstreams.get(path[-1])
        if back is not None and not told & set(path):
            told |= set(path)
            circle = [*path[path.index(back) :], back]
            yield f"Upstreams go in a circle ({' -> '.join(circle)}): let one of them follow the primary."
