# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Addresses that are to be cut off: what they are, whether one is our own, and whether a port there answers."""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.runbook.postgres.plugins.module_utils._command import find, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

_TRY_SECONDS = 2.0


def resolved(name: str) -> frozenset[str]:
    """An address, or all that a name stands for; a filter knows no names."""
    try:
        return frozenset([str(ipaddress.ip_address(name))])
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Refused(
            f"'{name}' is no address and this host cannot find out which it stands for: give addresses instead."
        ) from None
    return frozenset(str(ipaddress.ip_address(str(entry[4][0]).partition("%")[0])) for entry in found)


def own() -> frozenset[str]:
    """This host's own, whatever the interface."""
    told = json.loads(run([find("ip", "iproute2"), "-j", "address", "show"], 30.0))
    return frozenset(str(each["local"]) for link in told for each in link.get("addr_info", ()) if "local" in each)


def refuse_unfit(addresses: Iterable[str], ours: frozenset[str]) -> None:
    for each in sorted(addresses):
        address = ipaddress.ip_address(each)
        if each in ours or address.is_loopback:
            raise Refused(
                f"{each} is this host's own address, from which it cannot be kept apart: "
                "have the block on the other hosts, and the server itself stopped."
            )
        if address.is_unspecified or address.is_multicast:
            raise Refused(f"{each} is not the address of one server: give that.")


def tried(addresses: Iterable[str], port: int) -> dict[str, str | None]:
    """What answered at each, None where nothing did."""
    known = sorted(addresses)
    if not known:
        return {}
    with ThreadPoolExecutor(max_workers=len(known)) as pool:
        return dict(zip(known, pool.map(lambda each: _answer(each, port), known)))


def _answer(address: str, port: int) -> str | None:
    """A refusal is an answer too: packets went there and came back."""
    try:
        with socket.create_connection((address, port), timeout=_TRY_SECONDS):
            return "it takes connections"
    except ConnectionRefusedError:
        return "it refuses connections"
    except ConnectionError as error:
        return f"it says {error.strerror}"
    except OSError:
        return None
