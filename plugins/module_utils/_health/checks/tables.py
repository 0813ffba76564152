# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Does vacuum keep up, are updates cheap, and do scans want an index?"""

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


def _dead(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.TABLES):
        row = seen.row
        yield Measure(row.dead_rows, f"{row.table} holds {row.dead_rows:,} dead rows.", row.table, seen.database)


def _dead_percent(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.TABLES):
        row = seen.row
        yield Measure(
            row.dead_percent,
            f"{row.dead_percent:.1f} % of the rows of {row.table} are dead ({row.dead_rows:,}).",
            row.table,
            seen.database,
            basis=row.dead_rows,
        )


def _hot(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.TABLES):
        row = seen.row
        if row.hot_update_percent is not None:
            yield Measure(
                row.hot_update_percent,
                f"{row.hot_update_percent:.0f} % of {row.updates:,} updates of {row.table} stayed on their page (HOT).",
                row.table,
                seen.database,
                basis=row.updates,
            )


def _scans(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.TABLES):
        row = seen.row
        if row.sequential_scans > row.index_scans:
            yield Measure(
                row.rows_per_sequential_scan,
                f"{row.table} was read from end to end {shown_count(row.sequential_scans, 'time')}, "
                f"{row.rows_per_sequential_scan:,.0f} rows each.",
                row.table,
                seen.database,
                basis=row.sequential_scans,
            )


def _due(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.VACUUM_BACKLOG):
        count, excluded = seen.row.tables_due, seen.row.tables_excluded
        beside = f", and {excluded:,} more would if it were not switched off for them" if excluded else ""
        yield Measure(
            count,
            f"{shown_count(count, 'table')} of database {seen.database} wait for autovacuum{beside}.",
            seen.database,
            seen.database,
        )


def _disabled(observed: Observed) -> Iterable[Measure]:
    server = observed.server
    if server is not None and server.role == "primary" and not server.autovacuum:
        yield Measure(1, "Autovacuum does not run: autovacuum or track_counts is off.")


CHECKS = (
    Check(
        name="dead_rows",
        subset="tables",
        unit="rows",
        measure=_dead,
        remedy="VACUUM the table; if that removes little, find what holds the xmin horizon.",
        levels=Levels(warning=10_000, critical=50_000),
    ),
    Check(
        name="dead_percent",
        subset="tables",
        unit="%",
        measure=_dead_percent,
        remedy="VACUUM the table; lower its autovacuum_vacuum_scale_factor.",
        levels=Levels(warning=30, floor=1000),
        floor_of="dead rows",
    ),
    Check(
        name="hot_update_percent",
        subset="tables",
        unit="%",
        above=False,
        measure=_hot,
        remedy="Lower the table's fillfactor, and drop indexes on columns that are updated often.",
        levels=Levels(info=90, floor=1000),
        floor_of="updates",
    ),
    Check(
        name="rows_per_sequential_scan",
        subset="tables",
        unit="rows",
        measure=_scans,
        remedy="Look in pg_stat_statements for its queries and give their condition an index, CONCURRENTLY.",
        levels=Levels(info=100_000, floor=50),
        floor_of="sequential scans",
    ),
    Check(
        name="vacuum_tables_due",
        subset="tables",
        unit="tables",
        measure=_due,
        remedy="Give autovacuum more workers or a higher cost limit; look for long transactions.",
        levels=Levels(warning=20, critical=100),
    ),
    Check(
        name="autovacuum_disabled",
        subset="tables",
        unit="servers",
        measure=_disabled,
        remedy="Set autovacuum and track_counts to on and reload.",
        levels=Levels(critical=0),
    ),
)
