# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Addresses in pg_hba.conf: what they say, which holds which, and how far they reach."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Union

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

KEYWORDS = ("all", "samehost", "samenet")

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"\.?{_LABEL}(?:\.{_LABEL})*")
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
# Networks wider than the widest private ones are the world.
_WIDEST = {4: 8, 6: 7}


@dataclass(frozen=True)
class Address:
    """As the file spells it; names have no network."""

    text: str
    network: Network | None = None

    @property
    def inside(self) -> bool:
        """Whether what comes from there never leaves the host."""
        if self.network is not None:
            return any(_within(self.network, each) for each in _LOOPBACK)
        return self.text in ("samehost", "localhost")

    @property
    def everywhere(self) -> bool:
        if self.network is not None:
            return self.network.prefixlen < _WIDEST[self.network.version]
        return self.text == "all"

    def covers(self, other: Address) -> bool:
        """Whether this one matches whatever the other one matches."""
        if self.text in ("all", other.text):
            return True
        if self.network is not None and other.network is not None:
            return _within(other.network, self.network)
        return self.text.startswith(".") and other.network is None and other.text.lower().endswith(self.text.lower())


def read_address(text: str) -> Address:
    """A keyword, an address, a network or a name; anything the server would not take is refused."""
    if text in KEYWORDS:
        return Address(text)
    if "/" in text or ":" in text or re.fullmatch(r"[\d.]+", text):
        return _read_network(text)
    # No name ends in a number, or it could not be told from an address.
    if not _NAME.fullmatch(text) or len(text) > 253 or text.rpartition(".")[2].isdecimal():
        raise Refused(f"address '{text}' is neither an address, a network, a host's name nor {', '.join(KEYWORDS)}")
    return Address(text)


def _read_network(text: str) -> Address:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        network = None
    if network is not None and "%" not in text and _prefix_is_a_number(text):
        return Address(str(network), network)
    try:
        meant = ipaddress.ip_interface(text)
    except ValueError:
        raise Refused(
            f"address '{text}' is malformed: give one such as 10.0.0.7 or a network such as 10.0.0.0/24"
        ) from None
    if "%" in text or not _prefix_is_a_number(text):
        raise Refused(f"address '{text}' is not in the form the server reads: give it as {meant.network}")
    single = ipaddress.ip_network(meant.ip)
    raise Refused(f"address '{text}' names a host and a network at once: give {meant.network} or {single}")


def _prefix_is_a_number(text: str) -> bool:
    return "/" not in text or text.partition("/")[2].isdecimal()


def _within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False
