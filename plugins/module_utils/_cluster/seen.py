# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A cluster as it was seen in this run, from what is known of its hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.inventory import address


def seen(
    hosts: Mapping[str, Mapping[str, Any]], servers: Sequence[str], poolers: Sequence[str], play: Sequence[str]
) -> dict[str, Any]:
    """What a topology is decided from; a host that was not reached now is null, whatever was known of it before."""
    known: dict[str, Mapping[str, Any]] = {name: {} for name in (*servers, *poolers)}
    # Not by get(): what Ansible has for a name that it does not know is no dictionary.
    known.update({name: hosts[name] for name in known if name in hosts})
    # Poolers that the play leaves out are not looked at.
    others = [name for name in poolers if name in play and name not in servers]
    upstreams = {name: known[name].get("replication_upstream") for name in servers}
    return {
        "nodes": {name: _facts(known[name]) for name in servers},
        "poolers": {name: _facts(known[name]) for name in others},
        "reasons": {name: reason for name in (*servers, *others) if (reason := _reason(known[name]))},
        "addresses": {name: address(name, known[name]) for name in servers},
        "upstreams": {name: str(upstream) for name, upstream in upstreams.items() if upstream},
    }


def _facts(variables: Mapping[str, Any]) -> Any:
    """Of this run's look at the host, if the host took part in the play; else what another had looked up."""
    told = variables.get("preflight_seen")
    if told:
        return (told.get("ansible_facts") or {}).get("pg_node")
    return variables.get("pg_node") or None


def _reason(variables: Mapping[str, Any]) -> str:
    """Why a host of the play was not seen, in one line."""
    told = variables.get("preflight_seen") or {}
    return "" if told.get("ansible_facts") else " ".join(str(told.get("msg") or "").split()).rstrip(".")
