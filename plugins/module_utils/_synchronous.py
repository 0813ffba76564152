# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What synchronous_standby_names asks for."""

from __future__ import annotations

import re

_COUNTED = re.compile(r"\s*(?:(?:any|first)\s+)?(\d+)\s*\(", re.IGNORECASE)
_NAME = re.compile(r'"((?:[^"]|"")+)"|([^\s,"]+)')


def required_standbys(synchronous_standby_names: str) -> int:
    """How many standbys must confirm a commit: ANY 2 (a, b, c) takes two, a plain list one."""
    if not synchronous_standby_names.strip():
        return 0
    counted = _COUNTED.match(synchronous_standby_names)
    return int(counted.group(1)) if counted else 1


def confirmers(synchronous_standby_names: str) -> frozenset[str]:
    """The names in it, with * where it stands for all; PostgreSQL compares them without regard to case."""
    inner = _COUNTED.sub("", synchronous_standby_names.strip(), count=1).strip()
    inner = inner[:-1] if _COUNTED.match(synchronous_standby_names) and inner.endswith(")") else inner
    found = (quoted.replace('""', '"') or plain for quoted, plain in _NAME.findall(inner))
    return frozenset(name.lower() for name in found)
