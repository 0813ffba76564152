# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""For whom a standby keeps WAL from before the moment in which it becomes primary: pure.

Who comes back later, as the old primary does, has to replay from the last checkpoint that both went through, or be
rewound to it, and the checkpoint that follows a promotion removes what lies before it. A slot that is made on a standby
keeps WAL from its last restartpoint on, which is no later than that checkpoint: the primary's own last one came first.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

# What bounds it, in MiB as pg_settings has it; -1 for no bound.
LIMIT = "max_slot_wal_keep_size"
# Of the slots that are there, those that serve nobody and keep nothing.
IDLE = "slot_type = 'physical' AND NOT active AND restart_lsn IS NULL AND NOT temporary"


@dataclass(frozen=True)
class Keep:
    """These slots keep WAL from now on; those that are there already are made anew, since only a new one can."""

    slots: tuple[str, ...]
    there: frozenset[str]
    mib: int

    @property
    def sentence(self) -> str:
        return f"keep the WAL from which {' and '.join(self.slots)} can come back, {self.mib} MiB at most"


@dataclass(frozen=True)
class Found:
    """The slots of one server, and what it allows of them."""

    names: Set[str]
    idle: Set[str]
    # How many may be made beside them.
    free: int
    limit_mib: int


def due(wanted: Sequence[str], found: Found) -> Keep | None:
    """Without a bound one who never comes back would fill the disk of the only primary, so that nothing is kept."""
    if found.limit_mib <= 0:
        return None
    there = [name for name in wanted if name in found.idle]
    missing = [name for name in wanted if name not in found.names][: max(found.free, 0)]
    chosen = tuple(dict.fromkeys(name for name in wanted if name in there or name in missing))
    return Keep(chosen, frozenset(there), found.limit_mib) if chosen else None


def unkept(wanted: Sequence[str], found: Found) -> tuple[str, ...]:
    """Why who is away may not find the WAL from which it can come back."""
    served = found.names - found.idle
    alone = [name for name in dict.fromkeys(wanted) if name not in served]
    if not alone or found.limit_mib > 0:
        return ()
    why = "keep none" if found.limit_mib == 0 else "let one who stays away fill the disk"
    sentence = (
        f"No WAL is kept for {' and '.join(alone)}, because {LIMIT} is {found.limit_mib} and would {why}: where no "
        "archive has it, bring them back before the next checkpoints, or set that to what the disk has room for."
    )
    return (sentence,)
