# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Are partitions there before their rows, and is every row in its own?"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import tables as seen_by
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import (
    Check,
    Levels,
    Measure,
    shown_count,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed


def _ahead(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.PARTITIONED_TABLES):
        row = seen.row
        if row.partitions_ahead is not None:
            yield Measure(
                row.partitions_ahead,
                f"{row.table} has {shown_count(row.partitions_ahead, 'partition')} beyond the present one; "
                f"the last ends at {row.newest_bound}.",
                row.table,
                seen.database,
            )


def _default_rows(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.PARTITIONED_TABLES):
        row = seen.row
        if row.default_partition is not None:
            yield Measure(
                row.default_rows,
                f"The default partition {row.default_partition} of {row.table} holds about {row.default_rows:,} rows.",
                row.table,
                seen.database,
            )


def _pending(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.PARTITIONED_TABLES):
        for partition in seen.row.detach_pending:
            yield Measure(
                1,
                f"Detaching {partition} from {seen.row.table} was begun and not finished.",
                partition,
                seen.database,
            )


def _left(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.LEFT_PARTITIONS):
        yield Measure(
            1,
            f"{seen.row.partition} was {seen.row.waits_for}, and is still there.",
            seen.row.partition,
            seen.database,
        )


CHECKS = (
    Check(
        name="partitions_ahead",
        subset="partitions",
        unit="partitions",
        above=False,
        measure=_ahead,
        remedy="Create the next partitions now; without one, inserts fail when the last one ends.",
        levels=Levels(warning=2, critical=1),
    ),
    Check(
        name="default_partition_rows",
        subset="partitions",
        unit="rows",
        measure=_default_rows,
        remedy="Create the missing partitions and move the rows; until then attaching one scans them.",
        levels=Levels(warning=0),
    ),
    Check(
        name="detach_pending",
        subset="partitions",
        unit="partitions",
        measure=_pending,
        remedy="ALTER TABLE ... DETACH PARTITION ... FINALIZE.",
        levels=Levels(warning=0),
    ),
    Check(
        name="unarchived_expiry",
        subset="partitions",
        unit="partitions",
        measure=_left,
        remedy="Run pg_partition again where none is running: it archives or drops what an interrupted run left.",
        levels=Levels(warning=0),
    ),
)
