# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What databases and schemas are called while they stand beside the one they will replace, and afterwards: pure."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

# PostgreSQL's own limit, in bytes.
LONGEST = 63
_KEPT = re.compile(r"_before_\d{8}T\d{6}Z(_\d+)?$")


def clipped(name: str, most: int) -> str:
    """As much of a name as fits, and never half a character."""
    return name.encode()[:most].decode(errors="ignore")


def ended(name: str, ending: str) -> str:
    return clipped(name, LONGEST - len(ending.encode())) + ending


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:8]


def beside(target: str) -> str:
    """The same for the same target, so that the next run finds what a killed one left."""
    return ended(target, f"_restoring_{_digest(target)}")


def scratch(target: str) -> str:
    """Where definitions are looked at when only a part of a backup goes into the target."""
    return ended(target, f"_parts_{_digest(target)}")


def staging(schema: str) -> str:
    """A schema in the target itself, for tables that are not in their place yet."""
    return ended(schema, f"_restoring_{_digest(schema)}")


def kept(name: str, now: datetime) -> str:
    """Tells whoever lists databases or schemas what it was and until when."""
    return ended(name, f"_before_{now:%Y%m%dT%H%M%SZ}")


def is_kept(name: str, target: str) -> bool:
    """Whether what gave way to target still bears such a name; named otherwise it is in use, and not ours to drop."""
    return name != target and _KEPT.search(name) is not None
