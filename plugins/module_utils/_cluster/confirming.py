# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether the standbys that commits are to wait for can be there: from the inventory alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SYNCHRONOUS = "replication_synchronous"

Inventory = Mapping[str, Mapping[str, Any]]


def refusals(cluster: str, servers: Sequence[str], inventory: Inventory) -> Iterator[str]:
    """A sentence for each wish that no run could fulfil, with the hosts that have it."""
    for sentence, hosts in _with_hosts(servers, inventory).items():
        yield f"{SYNCHRONOUS} of cluster {cluster} ({', '.join(hosts)}) {sentence}"


def _with_hosts(servers: Sequence[str], inventory: Inventory) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in servers:
        wish = inventory.get(name, {}).get(SYNCHRONOUS)
        for sentence in _unfit(wish, servers) if isinstance(wish, Mapping) else ():
            found.setdefault(sentence, []).append(name)
    return found


def _unfit(wish: Mapping[str, Any], servers: Sequence[str]) -> Iterator[str]:
    if wish.get("mode", "none") == "none":
        return
    named = wish.get("standbys") or servers
    if isinstance(named, str) or not isinstance(named, Sequence):
        return
    strange = [str(each) for each in named if each not in servers]
    if strange:
        yield f"names {', '.join(strange)}, which postgres_hosts does not: choose of {', '.join(servers)}."
    count = wish.get("count", 1)
    most = min(len(set(named)), len(servers) - 1)
    if str(count).isdigit() and int(count) > most:
        yield (
            f"has commits wait for {count} standbys and there can be {most}, so that every commit would wait for ever: "
            "lower count, or add standbys."
        )
