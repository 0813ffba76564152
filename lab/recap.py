"""What a playbook did to each host, as it says at its end."""

from __future__ import annotations

import re
from typing import NamedTuple

_HOST = re.compile(r"(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)")


class Counts(NamedTuple):
    changed: int
    unreachable: int
    failed: int


def recap(text: str) -> dict[str, Counts]:
    """By host; a run that says nothing of any did nothing of what it was to do."""
    hosts = {host: Counts(*map(int, counts)) for host, *counts in _HOST.findall(text)}
    assert hosts, text
    return hosts


def changes(text: str) -> dict[str, int]:
    """Of each host on which something was changed, how much."""
    return {host: counts.changed for host, counts in recap(text).items() if counts.changed}


def unreached(text: str) -> list[str]:
    return [host for host, counts in recap(text).items() if counts.unreachable]
