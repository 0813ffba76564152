# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The hosts in a standby's primary_conninfo, and the same text with others, or in another order. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HOSTS = re.compile(r"(?<!\S)host=([^\s']+)")


def hosts(conninfo: str) -> list[str]:
    """Of a text that gives them plainly, as role replication writes it; else none."""
    found = _HOSTS.findall(conninfo)
    return found[0].split(",") if len(found) == 1 else []


def ways(conninfo: str, gone: Sequence[str]) -> tuple[str, str] | None:
    """The way without those who are gone, since libpq waits for each that it asks, and the one with them as the last.
    None where there is nothing to be changed, or where it would be told to a server's log what may not be."""
    known = hosts(conninfo)
    alive = [each for each in known if each not in gone]
    if not alive or "target_session_attrs=read-write" not in conninfo.split() or "password=" in conninfo:
        return None
    if len(alive) == len(known):
        return None
    return _led(conninfo, alive), _led(conninfo, alive + [each for each in known if each in gone])


def _led(conninfo: str, hosts_in_turn: Sequence[str]) -> str:
    return _HOSTS.sub(lambda _match: f"host={','.join(hosts_in_turn)}", conninfo)
