# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What each version of PgBouncer can do, as far as it matters here."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

Version = tuple[int, int]

# What Debian's releases offer, for hosts on which it is not installed yet.
OFFERED: Mapping[str, Version] = {"11": (1, 15), "12": (1, 18), "13": (1, 24)}
NEWEST: Version = (1, 24)

HOST_LISTS: Version = (1, 17)
AUTH_DATABASE: Version = (1, 19)
PEERS: Version = (1, 19)
PREPARED_STATEMENTS: Version = (1, 21)
# Before, a user who is listed counts as one without a password, and the lookup is not asked.
USERS_BESIDE_LOOKUP: Version = (1, 24)


def parse(text: str) -> Version:
    """The version in what `pgbouncer --version` prints, or in an option."""
    match = re.search(r"(\d+)\.(\d+)", text)
    if match is None:
        raise Refused(f"'{' '.join(text.split())[:80]}' names no version of PgBouncer: give it as 1.18, for example.")
    return int(match[1]), int(match[2])


def told(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
