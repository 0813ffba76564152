# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The variables of hosts as plain dictionaries: all their names, and of the values those that are looked at.

Each value is a template that costs time, and may be a secret that is none of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

LISTS = ("postgres_hosts", "postgres_poolers")
READ = (
    *LISTS,
    "postgres_cluster",
    "postgres_first_primary",
    "postgres_version",
    "postgres_port",
    "postgres_address",
    "postgres_managed",
    "ansible_host",
)


# The value of a variable where it is to be judged, else None.
Judged = Callable[[Mapping[str, Any], str], Any]


def plain(hostvars: Mapping[str, Mapping[str, Any]], play: Sequence[str], judged: Judged) -> dict[str, dict[str, Any]]:
    """Of a play's hosts and of those that they name."""
    found = {host: _values(hostvars[host], judged) for host in play if host in hostvars}
    for host in _named(list(found.values())):
        if host not in found and host in hostvars:
            found[host] = _values(hostvars[host], judged)
    return found


def _values(variables: Mapping[str, Any], judged: Judged) -> dict[str, Any]:
    return {str(name): variables[name] if name in READ else judged(variables, name) for name in variables}


def _named(hosts: Iterable[Mapping[str, Any]]) -> list[str]:
    lists = (variables.get(name) for variables in hosts for name in LISTS)
    return [each for given in lists if isinstance(given, (list, tuple)) for each in given if isinstance(each, str)]
