# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which tables and indexes take far more room than their rows need?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import bloat as seen_by
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import (
    Check,
    Levels,
    Measure,
    shown_bytes,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed, Probe


def _bloat(probe: Probe, kind: str) -> Callable[[Observed], Iterable[Measure]]:
    def measure(observed: Observed) -> Iterable[Measure]:
        for seen in observed.of(probe):
            row = seen.row
            name = row.index or row.table
            yield Measure(
                row.wasted_percent,
                f"{kind} {name} takes {shown_bytes(row.bytes)}, of which an estimated "
                f"{shown_bytes(row.wasted_bytes)} ({row.wasted_percent:.0f} %) are not needed.",
                name,
                seen.database,
                basis=row.wasted_bytes,
            )

    return measure


CHECKS = (
    Check(
        name="table_bloat_percent",
        subset="bloat",
        unit="%",
        measure=_bloat(seen_by.TABLE_BLOAT, "Table"),
        remedy="VACUUM stops its growth; pg_repack or VACUUM FULL in a window gives the room back.",
        levels=Levels(warning=50, floor=100 * 1024**2),
        floor_of="wasted bytes",
    ),
    Check(
        name="index_bloat_percent",
        subset="bloat",
        unit="%",
        measure=_bloat(seen_by.INDEX_BLOAT, "Index"),
        remedy="REINDEX INDEX CONCURRENTLY it.",
        levels=Levels(warning=50, floor=100 * 1024**2),
        floor_of="wasted bytes",
    ),
)
