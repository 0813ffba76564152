# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The rules and maps that follow from who belongs to a cluster.

They are the same on every member, so that a standby that is promoted lets in
whom the old primary let in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._hba.words import quoted

MEMBERS, POOLERS = "members", "poolers"

SOCKET_RULE = {
    "type": "local",
    "databases": ["all"],
    "users": ["postgres"],
    "method": "peer",
    "comment": "The superuser, as the system's user of that name.",
}


def cluster_rules(cluster: Mapping[str, Any], hostvars: Mapping[str, Any]) -> dict[str, Any]:
    """The socket's rule, the user's first ones, standbys, poolers, the user's other ones; in this order."""
    standbys, standby_maps = _standbys(cluster, hostvars)
    poolers, pooler_maps = _poolers(cluster, hostvars)
    return {
        "rules": [SOCKET_RULE, *cluster["first_rules"], *standbys, *poolers, *cluster["rules"]],
        "maps": [*standby_maps, *pooler_maps, *cluster["maps"]],
    }


def _standbys(cluster: Mapping[str, Any], hostvars: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    members, role = cluster["members"], cluster["replication_role"]
    if len(members) < 2:
        return [], []
    by_certificate = cluster["replication_credentials"] == "certificate"
    rule = {
        "type": "hostssl",
        # The database is for pg_rewind, by which a former primary comes back.
        "databases": ["replication", "postgres"],
        "users": [quoted(role)],
        "addresses": addresses(members, hostvars),
        "method": "cert" if by_certificate else "scram-sha-256",
        "options": {"map": MEMBERS} if by_certificate else {},
        "comment": "Standbys; each member may become one.",
    }
    return [rule], _maps(MEMBERS, members, role) if by_certificate else []


def _poolers(cluster: Mapping[str, Any], hostvars: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    poolers, role = cluster["poolers"], cluster["pooler_role"]
    if not poolers:
        return [], []
    common = {"type": "hostssl", "databases": ["all"], "addresses": addresses(poolers, hostvars)}
    asking = {
        **common,
        "users": [quoted(role)],
        "method": "cert",
        "options": {"map": POOLERS},
        "comment": "Poolers, which look up what a user's password is compared with.",
    }
    users = {
        **common,
        "users": cluster["pooler_users"],
        "method": "scram-sha-256",
        "comment": "Users who come through a pooler.",
    }
    return [asking, users], _maps(POOLERS, poolers, role)


def _maps(name: str, hosts: Sequence[str], role: str) -> list[dict[str, str]]:
    """A certificate's common name is the host's name in the inventory."""
    return [{"map": name, "system_user": quoted(host), "database_user": quoted(role)} for host in hosts]


def addresses(hosts: Sequence[str], hostvars: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(_address(host, hostvars) for host in hosts))


def _address(host: str, hostvars: Mapping[str, Any]) -> str:
    if host not in hostvars:
        raise Refused(
            f"{host} belongs to the cluster and is not in the inventory: add it, or take it out of postgres_hosts "
            "or postgres_poolers."
        )
    known = hostvars[host]
    return str(known.get("postgres_address") or known.get("ansible_host") or host)
