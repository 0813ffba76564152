# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What synchronous_standby_names asks for."""

from __future__ import annotations

import re

_COUNTED = re.compile(r"\s*(?:(?:any|first)\s+)?(\d+)\s*\(", re.IGNORECASE)


def required_standbys(synchronous_standby_names: str) -> int:
    """How many standbys must confirm a commit: ANY 2 (a, b, c) takes two, a plain list one."""
    if not synchronous_standby_names.strip():
        return 0
    counted = _COUNTED.match(synchronous_standby_names)
    return int(counted.group(1)) if counted else 1
