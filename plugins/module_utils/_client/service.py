# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One service: to which hosts a connection of that name goes, and how it is kept."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._client import libpq as reader


@dataclass(frozen=True)
class Hosts:
    """Addresses of which any may answer, each with its port."""

    addresses: tuple[str, ...]
    ports: tuple[int, ...]

    def turned(self, by: int) -> Hosts:
        """The same, beginning elsewhere."""
        at = by % len(self.addresses) if self.addresses else 0
        return Hosts(self.addresses[at:] + self.addresses[:at], self.ports[at:] + self.ports[:at])

    def settings(self) -> dict[str, str]:
        alike = len(set(self.ports)) == 1
        return {
            "host": ",".join(self.addresses),
            "port": str(self.ports[0]) if alike else ",".join(str(port) for port in self.ports),
        }


@dataclass(frozen=True)
class Cluster:
    """What clients of a cluster have to know of it."""

    name: str
    servers: Hosts
    poolers: Hosts
    read_suffix: str
    authorities: str  # the file on the client that holds them


# A server that does not answer is left for the next one soon, and one that went away is noticed: without these an idle
# connection waits for two hours, and one that sent something for a quarter of an hour.
PATIENCE: Mapping[str, str] = {
    "connect_timeout": "3",
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}


def settings(wanted: Mapping[str, Any], cluster: Cluster, client: str, release: int) -> dict[str, str]:
    """The lines of a service, in order; what its own settings say goes before ours."""
    to, pooled = wanted.get("to") or "primary", wanted.get("through") == "poolers"
    hosts = cluster.poolers if pooled else cluster.servers
    # Clients that may go to any begin with different ones, and always with the same.
    spread = to != "primary" or pooled
    found = hosts.turned(zlib.crc32(client.encode())).settings() if spread else hosts.settings()
    found["dbname"] = str(wanted["database"]) + (cluster.read_suffix if pooled and to == "standby" else "")
    if wanted.get("user"):
        found["user"] = str(wanted["user"])
    if not pooled and to != "any":
        found["target_session_attrs"] = "read-write" if to == "primary" else "prefer-standby"
    if spread and release >= reader.SPREADS:
        found["load_balance_hosts"] = "random"
    found.update({"sslmode": "verify-full", "sslrootcert": cluster.authorities, **PATIENCE})
    own = wanted.get("settings") or {}
    return {**found, **{str(word): _text(value) for word, value in own.items()}}


def refusals(wanted: Mapping[str, Any], cluster: Cluster, client: str, release: int) -> Iterator[str]:
    """Why a service cannot be written, each in one sentence."""
    what = f"Service {str(wanted['name'])!a} of {client}"
    why = reader.wrong_name(str(wanted["name"]))
    if why:
        yield f"{what} has a name that {why}: give it another."
    ways = list(_wrong_ways(wanted, cluster, release))
    yield from (f"{what} {way}" for way in ways)
    for word in wanted.get("settings") or {}:
        why = reader.wrong_keyword(str(word), release)
        if why:
            yield f"{what} has a setting {str(word)!a}, which {why}."
    if not ways:
        for word, fault in reader.wrong_lines(settings(wanted, cluster, client, release), release):
            yield f"{what} has a value of {word} that {fault}: libpq's service file cannot carry it."


def _wrong_ways(wanted: Mapping[str, Any], cluster: Cluster, release: int) -> Iterator[str]:
    """What is wrong with where it leads."""
    to, pooled = wanted.get("to") or "primary", wanted.get("through") == "poolers"
    hosts = cluster.poolers if pooled else cluster.servers
    if "/" in cluster.name or cluster.name.startswith("."):
        yield f"is one of cluster {cluster.name!a}, which cannot name a file: correct postgres_cluster."
    if not hosts.addresses:
        yield f"goes through poolers, of which cluster {cluster.name} has none: say through: servers."
    for address in hosts.addresses:
        if not address or "," in address or "/" in address:
            yield f"leads to {address!a}, which is no address: correct postgres_address of that host."
    if pooled and to == "any":
        yield "goes to any server through poolers, which lead to one kind each: say to: primary or to: standby."
    if not pooled and to == "standby" and release < reader.CHOOSES_STANDBYS:
        yield (
            f"goes to a standby, which libpq {release} there cannot tell from the primary: say through: poolers, "
            f"or to: any, or have libpq {reader.CHOOSES_STANDBYS} there."
        )


def text(services: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """Services as libpq reads them, without an end of line at the last."""
    blocks = [
        "\n".join([f"[{name}]", *(f"{word}={value}" for word, value in lines.items())]) for name, lines in services
    ]
    return "\n\n".join(blocks)


def _text(value: Any) -> str:
    """libpq has numbers for yes and no."""
    return str(int(value)) if isinstance(value, bool) else str(value)
