# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The table of nftables that drops what goes to and comes from some addresses: as text, and as the kernel tells it.

It has a name of its own, and nothing else is named here: what others have in the kernel stays. A packet that one
table drops no other table lets through. The hooks come before connections are tracked, so that those that are open
already stop as well.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FAMILY, NAME = "inet", "runbook_fence"
_PRIORITY = -300
# What of a packet is looked at where; what is forwarded may go to a container of this host or come from it.
_HOOKS = {"input": ("saddr",), "output": ("daddr",), "forward": ("saddr", "daddr")}
# The protocol of each set, and how its type is called.
_SETS = {"addresses4": ("ip", "ipv4_addr"), "addresses6": ("ip6", "ipv6_addr")}

_ELEMENTS = re.compile(r"elements = \{([^}]*)\}")


@dataclass(frozen=True)
class Table:
    """Everything in it that decides about packets."""

    addresses: frozenset[str]
    # Whatever is not an address: chains and rules.
    rules: frozenset[str]


def wanted(addresses: Iterable[str]) -> Table:
    rules = set()
    for hook, fields in _HOOKS.items():
        rules.add(_chain_line(hook, "filter", hook, _PRIORITY, "accept"))
        rules |= {
            _rule_line(hook, protocol, each, name) for name, (protocol, _kind) in _SETS.items() for each in fields
        }
    return Table(frozenset(addresses), frozenset(rules))


def text(addresses: Iterable[str]) -> str:
    """For nft -f, which takes it whole or not at all, over whatever the table was before."""
    lines = [
        "# Written by runbook.postgres: no packet to or from these servers. pg_fence (state: released) removes it."
    ]
    # Deleting what is not there fails; so it is made first.
    lines += [f"table {FAMILY} {NAME}", f"delete table {FAMILY} {NAME}", f"table {FAMILY} {NAME} {{"]
    known = sorted(addresses)
    for name, (protocol, kind) in _SETS.items():
        members = [each for each in known if (":" in each) == (protocol == "ip6")]
        elements = [f"    elements = {{ {', '.join(members)} }}"] if members else []
        lines += [f"  set {name} {{", f"    type {kind}", *elements, "  }"]
    for hook, fields in _HOOKS.items():
        lines += [f"  chain {hook} {{", f"    type filter hook {hook} priority {_PRIORITY}; policy accept;"]
        lines += [f"    {protocol} {each} @{name} drop" for name, (protocol, _kind) in _SETS.items() for each in fields]
        lines.append("  }")
    return "\n".join([*lines, "}", ""])


def kept(written: str) -> frozenset[str]:
    """The addresses in a text that was made here."""
    return frozenset(word for each in _ELEMENTS.findall(written) for word in re.split(r"[,\s]+", each) if word)


def parsed(printed: str) -> Table:
    """What nft -j list table prints; whatever is not as we make it is a rule that differs."""
    addresses, rules = set(), set()
    for item in json.loads(printed)["nftables"]:
        [(kind, value)] = item.items()
        if kind == "set" and value.get("name") in _SETS:
            addresses |= {_address(each) for each in value.get("elem", [])}
        elif kind == "chain":
            rules.add(_chain_line(*(value.get(key) for key in ("name", "type", "hook", "prio", "policy"))))
        elif kind == "rule":
            rules.add(_told(value))
        elif kind not in ("metainfo", "table"):
            rules.add(json.dumps(item, sort_keys=True))
    return Table(frozenset(addresses), frozenset(rules))


def _address(element: Any) -> str:
    try:
        return str(ipaddress.ip_address(element))
    except ValueError:
        return json.dumps(element, sort_keys=True)


def _told(rule: Mapping[str, Any]) -> str:
    try:
        match, verdict = rule["expr"]
        payload = match["match"]["left"]["payload"]
        if match["match"]["op"] == "==" and set(verdict) == {"drop"}:
            right = str(match["match"]["right"]).lstrip("@")
            return _rule_line(rule["chain"], payload["protocol"], payload["field"], right)
    except (KeyError, TypeError, ValueError):
        pass
    return json.dumps(rule, sort_keys=True)


def _chain_line(name: Any, kind: Any, hook: Any, priority: Any, policy: Any) -> str:
    return f"chain {name}: {kind} at {hook}, {priority}, {policy}"


def _rule_line(chain: str, protocol: str, field: str, name: str) -> str:
    return f"{chain}: drop {protocol} {field} in {name}"
