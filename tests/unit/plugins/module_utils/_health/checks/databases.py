"""Databases as wholes."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import custom, storage
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import databases as catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed
from tests.unit.plugins.module_utils._health.checks.case import Case, present, stepped
from tests.unit.plugins.rows import observed, row

GIB = 1024**3


def _activity(check: str, column: str, steps: list[tuple[str, Any, Any]], message: str, **values: Any) -> list[Case]:
    return stepped(check, catalog.DATABASE_ACTIVITY, column, steps, message, object="shop", database="shop", **values)


def _failed(failures: int, seconds: float | None) -> dict[str, Any]:
    return {
        "checksum_failures": failures,
        "last_checksum_failure": "2030-06-15 12:00:00 UTC",
        "last_checksum_failure_seconds": seconds,
    }


def _damage(failures: int = 1, seconds: float | None = 60.0) -> Observed:
    damaged = row(catalog.DatabaseActivity, database="shop", **_failed(failures, seconds))
    return observed((catalog.DATABASE_ACTIVITY, damaged))


def _shared_damage(seconds: float | None = 60.0) -> Observed:
    return observed((catalog.SHARED_CATALOGS, row(catalog.SharedCatalogs, **_failed(2, seconds))))


def _disk(used: int, total: int, purpose: str = "data directory, WAL", **size: Any) -> Observed:
    return observed(
        (catalog.DATABASE_SIZES, row(catalog.DatabaseSize, database="shop", bytes=used, **size)),
        (storage.DISKS, row(storage.Disk, purpose=purpose, total_bytes=total)),
    )


CASES = [
    *stepped(
        "cache_hit_percent",
        catalog.DATABASE_ACTIVITY,
        "cache_hit_percent",
        [("warning", 95, 94.9), ("critical", 90, 89.9)],
        "Database shop found 94.9 % of its blocks in shared_buffers, in the 3 h of its statistics.",
        object="shop",
        database="shop",
        statistics_age_seconds=3 * 3600.0,
        blocks_hit=90_000,
        blocks_read=10_000,
    ),
    Case(
        "cache_hit_percent",
        "critical",
        beyond=observed(
            (
                catalog.DATABASE_ACTIVITY,
                row(catalog.DatabaseActivity, database="shop", cache_hit_percent=1.0, blocks_read=100_000),
            )
        ),
        within=observed(
            (
                catalog.DATABASE_ACTIVITY,
                row(catalog.DatabaseActivity, database="shop", cache_hit_percent=1.0, blocks_read=99_999),
            ),
            (catalog.DATABASE_ACTIVITY, row(catalog.DatabaseActivity, database="new", cache_hit_percent=None)),
        ),
        object="shop",
        database="shop",
    ),
    *_activity(
        "deadlocks_per_hour",
        "deadlocks_per_hour",
        [("warning", 1, 1.1), ("critical", 10, 10.1)],
        "Database shop had 3 deadlocks in the 3 h of its statistics, 1.1 an hour.",
        statistics_age_seconds=3 * 3600.0,
        deadlocks=3,
    ),
    *_activity(
        "temp_bytes_per_hour",
        "temp_bytes_per_hour",
        [("warning", 10 * GIB, 10.5 * GIB)],
        "Database shop wrote 1.0 TiB of temporary files in the 4 d 2 h of its statistics, 10.5 GiB an hour.",
        statistics_age_seconds=98 * 3600.0,
        temp_bytes=1024 * GIB,
    ),
    Case(
        "checksum_failures",
        "critical",
        beyond=_damage(seconds=7 * 86400.0),
        within=_damage(seconds=7 * 86400.0 + 1),
        message="Database shop read 1 damaged page, the last at 2030-06-15 12:00:00 UTC.",
        object="shop",
        database="shop",
    ),
    Case(
        "checksum_failures",
        "critical",
        beyond=_damage(),
        within=_damage(failures=0, seconds=None),
        object="shop",
        database="shop",
    ),
    Case(
        "checksum_failures",
        "critical",
        beyond=_shared_damage(),
        within=_shared_damage(seconds=None),
        message="The server, in its shared catalogues, read 2 damaged pages, the last at 2030-06-15 12:00:00 UTC.",
        object="shared catalogues",
    ),
    *_activity(
        "xid_used_percent",
        "xid_used_percent",
        [("warning", 40, 40.6), ("critical", 70, 70.1)],
        "Database shop has used 41 % of its transaction ids (age 900,000,000).",
        xid_age=900_000_000,
    ),
    *_activity(
        "mxid_used_percent",
        "mxid_used_percent",
        [("warning", 40, 40.6), ("critical", 70, 70.1)],
        "Database shop has used 41 % of its multixact ids (age 900,000,000).",
        mxid_age=900_000_000,
    ),
    *stepped(
        "xmin_horizon_transactions",
        catalog.XMIN_HOLDERS,
        "transactions",
        [("warning", 10_000_000, 10_000_001), ("critical", 100_000_000, 100_000_001)],
        "The slot old keeps rows from being vacuumed that died in the last 10,000,001 transactions.",
        object="slot old",
        kind="slot",
        name="old",
    ),
    *stepped(
        "database_bytes",
        catalog.DATABASE_SIZES,
        "bytes",
        [("info", GIB, 2 * GIB), ("warning", 3 * GIB, 4 * GIB)],
        "Database shop takes 2.0 GiB.",
        object="shop",
        thresholds={"info": GIB, "warning": 3 * GIB},
        database="shop",
    ),
    Case(
        "database_disk_percent",
        "warning",
        beyond=_disk(81 * GIB, 100 * GIB),
        within=_disk(80 * GIB, 100 * GIB),
        message="Database shop takes 81.0 GiB, 81 % of its disk.",
        object="shop",
        database="shop",
    ),
    Case(
        "database_disk_percent",
        "critical",
        beyond=_disk(91, 100),
        within=_disk(91, 100, "tablespace fast"),
        object="shop",
        database="shop",
    ),
    Case(
        "database_disk_percent", "critical", beyond=_disk(91, 100), within=_disk(91, 0), object="shop", database="shop"
    ),
    Case(
        "database_disk_percent",
        "critical",
        beyond=_disk(91, 100),
        within=_disk(91, 100, other_tablespaces=True),
        object="shop",
        database="shop",
    ),
    *present(
        "invalid_database",
        catalog.INVALID_DATABASES,
        "warning",
        "Database shop was being dropped when that was interrupted: nobody can use it.",
        object="shop",
        database="shop",
    ),
    *stepped(
        "transaction_rate_deviation_percent",
        custom.TRANSACTION_RATE,
        "deviation_percent",
        [("warning", 20, 20.6), ("critical", 50, 50.1)],
        "79.4 transactions a second against a baseline of 100, off by 21 %.",
        transactions_per_second=79.4,
        baseline_per_second=100.0,
    ),
]
