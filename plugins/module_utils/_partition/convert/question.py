# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is asked about a table that is to be converted, and what follows from that alone: ends, periods, names."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import HIGHEST, Range
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.refusals import (
    narrow,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    Extent,
    Index,
    Leftovers,
    Scene,
    hidden,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.names import LONGEST_BYTES
from ansible_collections.runbook.postgres.plugins.module_utils._partition.request import Intent
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import (
    Partition,
    Policy,
)

# Each is locked when the copy takes the table's place; a server has room for so many locks.
MOST_PARTITIONS = 1000


@dataclass(frozen=True)
class Question:
    """All that decides how a table is converted."""

    scene: Scene
    intent: Intent
    extent: Extent
    left: Leftovers
    kind: str
    policy: Policy
    now: int
    until: int | None
    # Names that other things in the schema have.
    taken: frozenset[str]
    tablespace: str | None = None
    # Partitions that an interrupted run made already.
    laid: tuple[Partition, ...] = ()


def end_of_old(asked: Question) -> int | None:
    """Where the old table ends: the end of the period after the one that holds now and the highest key.

    Until the change is made, rows beyond are refused; a whole period is left for them to come.
    """
    if asked.until is not None:
        return asked.until
    interval, left = asked.policy.interval, asked.left
    latest = max(asked.now, asked.extent.highest) if asked.extent.highest is not None else asked.now
    least = interval.period(latest).upper
    if left.check and left.until is not None and least is not None and left.until >= least:
        # An interrupted run had it proved, or began to.
        return left.until
    end = None if least is None else interval.period(least).upper
    limit = HIGHEST.get(asked.scene.column(asked.intent.column).type)
    return None if end is not None and limit is not None and end > limit else end


def periods_of_copy(asked: Question) -> Iterator[Range]:
    """From the first row's period to the last that should be there ahead of now."""
    interval, extent, now = asked.policy.interval, asked.extent, asked.now
    limit = HIGHEST.get(asked.scene.column(asked.intent.column).type)
    first = min(now, extent.lowest) if extent.lowest is not None else now
    last = interval.shifted(now, asked.policy.ahead)
    last = max(last, extent.highest) if extent.highest is not None else last
    for count, period in enumerate(interval.periods(first, last)):
        lower, upper = period.lower, period.upper
        if count > MOST_PARTITIONS or (limit is not None and lower is not None and lower > limit):
            return
        if limit is not None:
            lower = None if lower is None else max(lower, -limit - 1)
            upper = None if upper is None or upper > limit else upper
        yield Range(lower, upper)


def wide(scene: Scene, column: str) -> tuple[Index, ...]:
    """The indexes as they will be, keys with the column in them."""
    lacking = {each.oid for each in narrow(scene, column)}

    def widened(each: Index) -> Index:
        included = tuple(name for name in each.included if name != column)
        return replace(each, columns=(*each.columns, column), included=included, narrow=each.columns)

    return tuple(widened(each) if each.oid in lacking else each for each in scene.indexes)


def built_name(scene: Scene, index: Index) -> str:
    """The same for the same index in each run."""
    told = repr((index.name, index.columns, index.included, index.options))
    return f"{hidden(scene.oid)}_{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def later(name: str) -> str:
    """What belongs to the old table is called from then on."""
    end = "_before"
    return name.encode()[: LONGEST_BYTES - len(end)].decode(errors="ignore") + end


def free_name(wanted: str, taken: Collection[str]) -> str:
    number = 1
    name = wanted
    while name in taken:
        number += 1
        end = f"_{number}"
        name = wanted.encode()[: LONGEST_BYTES - len(end)].decode(errors="ignore") + end
    return name
