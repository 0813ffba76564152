# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who restores from a stanza's repositories on this host, of which nothing is removed meanwhile.

Their lock ends with them; what readers on other hosts leave instead is in `readers`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager

from ansible_collections.runbook.postgres.plugins.module_utils._host_lock import alone, together, used
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.readers import Reader

# A removal from a store far away takes its time.
_SECONDS = 600.0


def reading(stanza: str, *, check: bool = False) -> AbstractContextManager[None]:
    """From the choice of a backup until its WAL is replayed; it ends with whoever reads, at the latest."""
    if check:
        return contextlib.nullcontext()
    return together(_name(stanza), _SECONDS)


def unread(stanza: str) -> AbstractContextManager[None]:
    """Nobody begins to read meanwhile; Busy where somebody does now."""
    return alone(_name(stanza), 0)


def is_read(stanza: str) -> bool:
    return used(_name(stanza))


def stays(stanza: str, names: Sequence[str], elsewhere: Sequence[Reader]) -> str:
    where = " and ".join(map(str, elsewhere)) or "this host"
    return (
        f"Past its retention and still there: {', '.join(names)}. A recovery or a drill on {where} reads from stanza "
        f"{stanza}; the next run after it removes what is past."
    )


def _name(stanza: str) -> str:
    return f"reading-{stanza}"
