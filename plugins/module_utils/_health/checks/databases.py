# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Is memory enough, does anything fail quietly, and is there room for more transactions and data?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import custom, storage
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import databases as seen_by
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import (
    Check,
    Levels,
    Measure,
    shown_bytes,
    shown_count,
    shown_seconds,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed


def _activity(
    value: Callable[[seen_by.DatabaseActivity], float | None],
    message: Callable[[seen_by.DatabaseActivity], str],
    basis: Callable[[seen_by.DatabaseActivity], float] | None = None,
) -> Callable[[Observed], Iterable[Measure]]:
    """A check that looks at one figure of each database."""

    def measure(observed: Observed) -> Iterable[Measure]:
        for seen in observed.of(seen_by.DATABASE_ACTIVITY):
            row = seen.row
            figure = value(row)
            if figure is not None:
                yield Measure(figure, message(row), row.database, row.database, basis(row) if basis else None)

    return measure


_RELEASE = {
    "session": "SELECT pg_terminate_backend(pid) ends it; let the application keep its transactions short.",
    "replica": "Look for long queries on the replica, or set hot_standby_feedback = off there and have them cancelled.",
    "slot": "Bring its reader back, or SELECT pg_drop_replication_slot() if it has none any more; "
    "where that is a replica with hot_standby_feedback, look for long queries there.",
    "prepared transaction": "Ask its transaction manager, then COMMIT PREPARED or ROLLBACK PREPARED in its database.",
}


# The server counts damaged pages as long as its statistics live, restored or not. Base
# backups read every page, so that one which is still damaged is met again within days.
_STILL_DAMAGED_SECONDS = 7 * 86400.0


def _checksums(observed: Observed) -> Iterable[Measure]:
    told = [
        *((f"Database {seen.row.database}", seen.row) for seen in observed.of(seen_by.DATABASE_ACTIVITY)),
        *(("The server, in its shared catalogues,", seen.row) for seen in observed.of(seen_by.SHARED_CATALOGS)),
    ]
    for who, row in told:
        seconds = row.last_checksum_failure_seconds
        if seconds is not None and seconds <= _STILL_DAMAGED_SECONDS:
            pages = shown_count(row.checksum_failures, "damaged page")
            name = getattr(row, "database", None)
            yield Measure(
                row.checksum_failures,
                f"{who} read {pages}, the last at {row.last_checksum_failure}.",
                name or "shared catalogues",
                name,
            )


def _over(row: seen_by.DatabaseActivity) -> str:
    return f"in the {shown_seconds(row.statistics_age_seconds)} of its statistics"


def _xmin(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.XMIN_HOLDERS):
        row = seen.row
        yield Measure(
            row.transactions,
            f"The {row.kind} {row.name} keeps rows from being vacuumed that died in the last "
            f"{row.transactions:,} transactions.",
            f"{row.kind} {row.name}",
            remedy=_RELEASE.get(row.kind),
        )


def _size(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.DATABASE_SIZES):
        row = seen.row
        yield Measure(row.bytes, f"Database {row.database} takes {shown_bytes(row.bytes)}.", row.database, row.database)


def _invalid(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.INVALID_DATABASES):
        name = seen.row.database
        yield Measure(1, f"Database {name} was being dropped when that was interrupted: nobody can use it.", name, name)


def _share(observed: Observed) -> Iterable[Measure]:
    """Compared with the disk of the data directory; what lies in part on other disks is left to their own check."""
    disks = [seen.row for seen in observed.of(storage.DISKS) if "data directory" in seen.row.purpose]
    disks = [disk for disk in disks if disk.total_bytes > 0]
    for disk in disks:
        for seen in observed.of(seen_by.DATABASE_SIZES):
            row = seen.row
            if row.other_tablespaces:
                continue
            percent = 100.0 * row.bytes / disk.total_bytes
            yield Measure(
                percent,
                f"Database {row.database} takes {shown_bytes(row.bytes)}, {percent:.0f} % of its disk.",
                row.database,
                row.database,
            )


def _rate(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(custom.TRANSACTION_RATE):
        row = seen.row
        yield Measure(
            row.deviation_percent,
            f"{row.transactions_per_second:.1f} transactions a second against a baseline of "
            f"{row.baseline_per_second:g}, off by {row.deviation_percent:.0f} %.",
        )


CHECKS = (
    Check(
        name="cache_hit_percent",
        subset="databases",
        unit="%",
        above=False,
        measure=_activity(
            lambda row: row.cache_hit_percent,
            lambda row: (
                f"Database {row.database} found {row.cache_hit_percent:.1f} % of its blocks in shared_buffers, "
                f"{_over(row)}."
            ),
            lambda row: row.blocks_hit + row.blocks_read,
        ),
        remedy="Look for sequential scans of large tables first, then at shared_buffers.",
        levels=Levels(warning=95, critical=90, floor=100000),
        floor_of="blocks asked for",
    ),
    Check(
        name="deadlocks_per_hour",
        subset="databases",
        unit="per hour",
        measure=_activity(
            lambda row: row.deadlocks_per_hour,
            lambda row: (
                f"Database {row.database} had {shown_count(row.deadlocks, 'deadlock')} {_over(row)}, "
                f"{row.deadlocks_per_hour:.1f} an hour."
            ),
        ),
        remedy="The server log names both statements; let them take their locks in one order.",
        levels=Levels(warning=1, critical=10),
    ),
    Check(
        name="temp_bytes_per_hour",
        subset="databases",
        unit="bytes per hour",
        measure=_activity(
            lambda row: row.temp_bytes_per_hour,
            lambda row: (
                f"Database {row.database} wrote {shown_bytes(row.temp_bytes)} of temporary files {_over(row)}, "
                f"{shown_bytes(row.temp_bytes_per_hour)} an hour."
            ),
        ),
        remedy="Set log_temp_files to find the queries; give those roles more work_mem.",
        levels=Levels(warning=10 * 1024**3),
    ),
    Check(
        name="checksum_failures",
        subset="databases",
        unit="pages",
        measure=_checksums,
        remedy="Stop writes, keep a copy of what is left, and restore: this disk or memory loses data.",
        levels=Levels(critical=0),
    ),
    Check(
        name="xid_used_percent",
        subset="databases",
        unit="%",
        measure=_activity(
            lambda row: row.xid_used_percent,
            lambda row: (
                f"Database {row.database} has used {row.xid_used_percent:.0f} % of its transaction ids "
                f"(age {row.xid_age:,})."
            ),
        ),
        remedy="Find what holds the xmin horizon, then VACUUM (FREEZE) the oldest tables; at 100 % writes stop.",
        levels=Levels(warning=40, critical=70),
    ),
    Check(
        name="mxid_used_percent",
        subset="databases",
        unit="%",
        measure=_activity(
            lambda row: row.mxid_used_percent,
            lambda row: (
                f"Database {row.database} has used {row.mxid_used_percent:.0f} % of its multixact ids "
                f"(age {row.mxid_age:,})."
            ),
        ),
        remedy="Find what holds the xmin horizon, then VACUUM (FREEZE) the oldest tables; at 100 % writes stop.",
        levels=Levels(warning=40, critical=70),
    ),
    Check(
        name="xmin_horizon_transactions",
        subset="databases",
        unit="transactions",
        measure=_xmin,
        remedy="End the session, drop the slot, or finish the prepared transaction.",
        levels=Levels(warning=10_000_000, critical=100_000_000),
    ),
    Check(
        name="database_bytes",
        subset="databases",
        unit="bytes",
        measure=_size,
        remedy="Look at the largest tables; archive what is past its time.",
    ),
    Check(
        name="database_disk_percent",
        subset="databases",
        unit="%",
        measure=_share,
        remedy="Look at the largest tables; archive what is past its time, or grow the disk.",
        levels=Levels(warning=80, critical=90),
    ),
    Check(
        name="invalid_database",
        subset="databases",
        unit="databases",
        measure=_invalid,
        remedy="DROP DATABASE it, which takes away the files that are left.",
        levels=Levels(warning=0),
    ),
    Check(
        name="transaction_rate_deviation_percent",
        subset="databases",
        unit="%",
        measure=_rate,
        remedy="Compare with the application's traffic; a fall usually means that it waits or cannot connect.",
        levels=Levels(warning=20, critical=50),
    ),
)
