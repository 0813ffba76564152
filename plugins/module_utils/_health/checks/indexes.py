# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which indexes are broken, and which only cost?"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import indexes as seen_by
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import (
    Check,
    Levels,
    Measure,
    shown_bytes,
    shown_count,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed

_INVALID = {
    "broken": "Index {index} of {table} is invalid: it is written to but never read.",
    "leftover": "Index {index} of {table} is what a REINDEX CONCURRENTLY left behind that did not finish.",
    "partitioned": "Index {index} is invalid because some partitions of {table} have none attached to it.",
}
_INVALID_REMEDIES = {
    "leftover": "DROP INDEX CONCURRENTLY it; if its name ends in _ccnew, the REINDEX is still to be done.",
    "partitioned": "CREATE INDEX CONCURRENTLY on the partitions that lack it, then ALTER INDEX ... ATTACH PARTITION.",
}


def _invalid(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.INVALID_INDEXES):
        row = seen.row
        yield Measure(
            1,
            _INVALID[row.kind].format(index=row.index, table=row.table),
            row.index,
            seen.database,
            remedy=_INVALID_REMEDIES.get(row.kind),
        )


def _unused(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.UNUSED_INDEXES):
        row = seen.row
        yield Measure(
            row.bytes,
            f"Index {row.index} of {row.table} ({shown_bytes(row.bytes)}) was not scanned on this server "
            f"in the {shown_count(int(row.statistics_days), 'day')} since statistics began.",
            row.index,
            seen.database,
            basis=row.statistics_days,
        )


def _duplicates(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.DUPLICATE_INDEXES):
        row = seen.row
        yield Measure(
            row.wasted_bytes,
            f"Indexes {', '.join(row.indexes)} of {row.table} are the same; "
            f"{shown_bytes(row.wasted_bytes)} are taken twice.",
            row.table,
            seen.database,
        )


CHECKS = (
    Check(
        name="invalid_index",
        subset="indexes",
        unit="indexes",
        measure=_invalid,
        remedy="REINDEX INDEX CONCURRENTLY it, or drop it if its creation failed for a reason.",
        levels=Levels(warning=0),
    ),
    Check(
        name="unused_index_bytes",
        subset="indexes",
        unit="bytes",
        measure=_unused,
        remedy="Ask the replicas too, wait for a month's end, then DROP INDEX CONCURRENTLY.",
        levels=Levels(info=10 * 1024**2, floor=30),
        floor_of="days of statistics",
    ),
    Check(
        name="duplicate_index_bytes",
        subset="indexes",
        unit="bytes",
        measure=_duplicates,
        remedy="Keep the one a constraint needs and DROP INDEX CONCURRENTLY the other.",
        levels=Levels(info=0),
    ),
)
