"""Tables, partitions, indexes and their bloat, sequences."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import bloat, indexes, sequences
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import tables as catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed
from tests.unit.plugins.module_utils._health.checks.case import Case, present, stepped
from tests.unit.plugins.rows import observed, row

MIB = 1024**2
ORDERS = "public.orders"


def _table(**values: Any) -> Observed:
    return observed((catalog.TABLES, row(catalog.Table, table=ORDERS, **values)), database="shop")


def _of_table(check: str, severity: str, beyond: Observed, within: Observed, message: str | None = None) -> Case:
    return Case(check, severity, beyond, within, message, object=ORDERS, database="shop")


def _partitioned(**values: Any) -> Observed:
    return observed(
        (catalog.PARTITIONED_TABLES, row(catalog.PartitionedTable, table=ORDERS, **values)), database="shop"
    )


def _invalid(index: str, kind: str, message: str) -> list[Case]:
    return present(
        "invalid_index",
        indexes.INVALID_INDEXES,
        "warning",
        message,
        object=index,
        in_database="shop",
        table=ORDERS,
        index=index,
        kind=kind,
    )


CASES = [
    *stepped(
        "dead_rows",
        catalog.TABLES,
        "dead_rows",
        [("warning", 10_000, 10_001), ("critical", 50_000, 50_001)],
        "public.orders holds 10,001 dead rows.",
        object=ORDERS,
        database="shop",
        table=ORDERS,
    ),
    _of_table(
        "dead_percent",
        "warning",
        _table(dead_percent=30.1, dead_rows=1000),
        _table(dead_percent=30.0, dead_rows=1000),
        "30.1 % of the rows of public.orders are dead (1,000).",
    ),
    _of_table(
        "dead_percent", "warning", _table(dead_percent=99.0, dead_rows=1000), _table(dead_percent=99.0, dead_rows=999)
    ),
    _of_table(
        "hot_update_percent",
        "info",
        _table(hot_update_percent=89.0, updates=1000),
        _table(hot_update_percent=90.0, updates=1000),
        "89 % of 1,000 updates of public.orders stayed on their page (HOT).",
    ),
    _of_table(
        "hot_update_percent",
        "info",
        _table(hot_update_percent=0.0, updates=1000),
        _table(hot_update_percent=0.0, updates=999),
    ),
    _of_table(
        "hot_update_percent", "info", _table(hot_update_percent=0.0, updates=1000), _table(hot_update_percent=None)
    ),
    _of_table(
        "rows_per_sequential_scan",
        "info",
        _table(rows_per_sequential_scan=100_001.0, sequential_scans=50, index_scans=49),
        _table(rows_per_sequential_scan=100_000.0, sequential_scans=50, index_scans=49),
        "public.orders was read from end to end 50 times, 100,001 rows each.",
    ),
    _of_table(
        "rows_per_sequential_scan",
        "info",
        _table(rows_per_sequential_scan=1e9, sequential_scans=50),
        _table(rows_per_sequential_scan=1e9, sequential_scans=49),
    ),
    _of_table(
        "rows_per_sequential_scan",
        "info",
        _table(rows_per_sequential_scan=1e9, sequential_scans=50),
        _table(rows_per_sequential_scan=1e9, sequential_scans=50, index_scans=50),
    ),
    *stepped(
        "vacuum_tables_due",
        catalog.VACUUM_BACKLOG,
        "tables_due",
        [("warning", 20, 21), ("critical", 100, 101)],
        "21 tables of database shop wait for autovacuum.",
        object="shop",
        database="shop",
    ),
    *stepped(
        "vacuum_tables_due",
        catalog.VACUUM_BACKLOG,
        "tables_due",
        [("warning", 20, 21)],
        "21 tables of database shop wait for autovacuum, and 2 more would if it were not switched off for them.",
        object="shop",
        database="shop",
        tables_excluded=2,
    ),
    Case(
        "autovacuum_disabled",
        "critical",
        beyond=observed(autovacuum=False),
        within=observed(autovacuum=True),
        message="Autovacuum does not run: autovacuum or track_counts is off.",
    ),
    # A standby vacuums nothing itself.
    Case(
        "autovacuum_disabled",
        "critical",
        beyond=observed(autovacuum=False),
        within=observed(autovacuum=False, role="standby"),
    ),
    Case("autovacuum_disabled", "critical", beyond=observed(autovacuum=False), within=Observed()),
    _of_table(
        "partitions_ahead",
        "warning",
        _partitioned(partitions_ahead=1, newest_bound="2030-08-01"),
        _partitioned(partitions_ahead=2, newest_bound="2030-09-01"),
        "public.orders has 1 partition beyond the present one; the last ends at 2030-08-01.",
    ),
    _of_table("partitions_ahead", "critical", _partitioned(partitions_ahead=0), _partitioned(partitions_ahead=1)),
    _of_table("partitions_ahead", "critical", _partitioned(partitions_ahead=0), _partitioned(partitions_ahead=None)),
    _of_table(
        "default_partition_rows",
        "warning",
        _partitioned(default_partition="orders_rest", default_rows=1),
        _partitioned(default_partition="orders_rest", default_rows=0),
        "The default partition orders_rest of public.orders holds about 1 rows.",
    ),
    Case(
        "detach_pending",
        "warning",
        beyond=_partitioned(detach_pending=["orders_2029"]),
        within=_partitioned(),
        message="Detaching orders_2029 from public.orders was begun and not finished.",
        object="orders_2029",
        database="shop",
    ),
    Case(
        "unarchived_expiry",
        "warning",
        beyond=observed(
            (
                catalog.LEFT_PARTITIONS,
                row(
                    catalog.LeftPartition,
                    partition="public.orders_2019",
                    waits_for="detached from public.orders, to be archived, FOR VALUES FROM (1) TO (2)",
                ),
            ),
            database="shop",
        ),
        within=Observed(),
        message="public.orders_2019 was detached from public.orders, to be archived, FOR VALUES FROM (1) TO (2), "
        "and is still there.",
        object="public.orders_2019",
        database="shop",
    ),
    *_invalid("orders_at", "broken", "Index orders_at of public.orders is invalid: it is written to but never read."),
    *_invalid(
        "orders_at_ccnew",
        "leftover",
        "Index orders_at_ccnew of public.orders is what a REINDEX CONCURRENTLY left behind that did not finish.",
    ),
    *_invalid(
        "orders_at",
        "partitioned",
        "Index orders_at is invalid because some partitions of public.orders have none attached to it.",
    ),
    *stepped(
        "unused_index_bytes",
        indexes.UNUSED_INDEXES,
        "bytes",
        [("info", 10 * MIB, 11 * MIB)],
        "Index orders_at of public.orders (11.0 MiB) was not scanned on this server in the 30 days since "
        "statistics began.",
        object="orders_at",
        database="shop",
        table=ORDERS,
        index="orders_at",
        statistics_days=30.5,
    ),
    *stepped(
        "unused_index_bytes",
        indexes.UNUSED_INDEXES,
        "statistics_days",
        [("info", 29.9, 30.0)],
        "Index orders_at of public.orders (1.0 GiB) was not scanned on this server in the 30 days since "
        "statistics began.",
        object="orders_at",
        database="shop",
        table=ORDERS,
        index="orders_at",
        bytes=1024 * MIB,
    ),
    *stepped(
        "duplicate_index_bytes",
        indexes.DUPLICATE_INDEXES,
        "wasted_bytes",
        [("info", 0, 8192)],
        "Indexes a, b of public.orders are the same; 8.0 KiB are taken twice.",
        object=ORDERS,
        database="shop",
        table=ORDERS,
        indexes=["a", "b"],
    ),
    *stepped(
        "table_bloat_percent",
        bloat.TABLE_BLOAT,
        "wasted_percent",
        [("warning", 50, 51)],
        "Table public.orders takes 200 MiB, of which an estimated 100 MiB (51 %) are not needed.",
        object=ORDERS,
        database="shop",
        table=ORDERS,
        bytes=200 * MIB,
        wasted_bytes=100 * MIB,
    ),
    *stepped(
        "table_bloat_percent",
        bloat.TABLE_BLOAT,
        "wasted_bytes",
        [("warning", 100 * MIB - 1, 100 * MIB)],
        "Table public.orders takes 0 B, of which an estimated 100 MiB (99 %) are not needed.",
        object=ORDERS,
        database="shop",
        table=ORDERS,
        wasted_percent=99.0,
    ),
    *stepped(
        "index_bloat_percent",
        bloat.INDEX_BLOAT,
        "wasted_percent",
        [("warning", 50, 51)],
        "Index orders_at takes 200 MiB, of which an estimated 100 MiB (51 %) are not needed.",
        object="orders_at",
        database="shop",
        table=ORDERS,
        index="orders_at",
        bytes=200 * MIB,
        wasted_bytes=100 * MIB,
    ),
    *stepped(
        "sequence_used_percent",
        sequences.SEQUENCES,
        "used_percent",
        [("warning", 75, 75.1), ("critical", 90, 90.1)],
        "Sequence public.orders_id_seq stands at 1,610,612,736 of 2,147,483,647 (75.1 %).",
        object="public.orders_id_seq",
        database="shop",
        sequence="public.orders_id_seq",
        last_value=1_610_612_736,
        end_value=2_147_483_647,
    ),
]
