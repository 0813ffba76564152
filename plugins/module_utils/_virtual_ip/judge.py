# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether an address can be one that only the primary of a cluster has."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Union

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


def refusals(wanted: str, cluster: str, servers: Mapping[str, str], others: Mapping[str, str]) -> Iterator[str]:
    """Why it cannot be; `servers` and `others` of the cluster by their names, with their addresses."""
    what = f"virtual_ip_address of cluster {cluster}"
    own = _interface(wanted)
    if own is None:
        yield f"{what} is {wanted!a}, which is no address with its prefix: write it like 192.0.2.10/24."
        return
    if len(servers) < 2:
        yield f"{what} is for clusters of several servers, and this one has {len(servers)}: leave it out."
    for name, address in {**others, **servers}.items():
        known = _address(address)
        if known == own.ip:
            yield f"{what} is {own.ip}, which is the address of {name}: choose one that no host has."
        elif name in servers and (known is None or known.version != own.version):
            yield (
                f"{what} is an IPv{own.version} address, and {name} has the address {address!a}: keepalived tells its "
                f"peers by numbers, so set postgres_address of {name} to its IPv{own.version} address."
            )


def _interface(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:
    try:
        return ipaddress.ip_interface(text) if "/" in text else None
    except ValueError:
        return None


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
