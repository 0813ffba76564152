# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The names that a node's certificate carries; used on the node and where it is signed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

# The longest common name that X.509 has room for.
LONGEST_COMMON_NAME = 64

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*\.?")


def alternative_names(names: Iterable[str]) -> tuple[str, ...]:
    """Addresses and host names as a certificate has them, each once and in order."""
    found = []
    for name in names:
        try:
            found.append(f"IP:{ipaddress.ip_address(name)}")
        except ValueError:
            if not _HOST.fullmatch(name) or len(name) > 253:
                raise Refused(
                    f"'{name}' is neither an address nor a host's name, so no certificate can carry it: "
                    "correct postgres_address, postgres_names or the inventory's name of the host."
                ) from None
            found.append(f"DNS:{name.rstrip('.').lower()}")
    return tuple(dict.fromkeys(found))


def certificate_names(names: Iterable[str]) -> tuple[str, ...]:
    """What a certificate of ours carries: addresses as host names too, where libpq before 15 looks for them."""
    found = alternative_names(names)
    again = (f"DNS:{name[3:]}" for name in found if name.startswith("IP:"))
    return tuple(dict.fromkeys((*found, *again)))


def common_name(name: str) -> str:
    if not name or not name.isprintable() or len(name.encode()) > LONGEST_COMMON_NAME:
        raise Refused(
            f"'{name}' cannot be a certificate's common name: use 1 to {LONGEST_COMMON_NAME} printable characters."
        )
    return name
