# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Is the configuration that was written the configuration that runs?"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import server as seen_by
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import Check, Levels, Measure
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed


def _pending(observed: Observed) -> Iterable[Measure]:
    names = [seen.row.name for seen in observed.of(seen_by.PENDING_SETTINGS)]
    if names:
        yield Measure(len(names), f"Changed settings wait for a restart: {', '.join(names)}.")


def _configuration(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.CONFIGURATION_ERRORS):
        row = seen.row
        place = f"{row.file}:{row.line}"
        setting = f" ({row.setting})" if row.setting else ""
        yield Measure(1, f"{place}{setting} cannot be applied: {row.error}.", place)


def _hba(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.HBA_ERRORS):
        yield Measure(
            1, f"Line {seen.row.line} of pg_hba.conf is not valid: {seen.row.error}.", f"line {seen.row.line}"
        )


def _collations(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.COLLATION_MISMATCHES):
        row = seen.row
        yield Measure(
            1,
            f"Indexes ordered by collation {row.collation} were built under its version {row.recorded_version}, "
            f"the system now has {row.actual_version}: they may miss rows.",
            row.collation,
            seen.database,
        )


CHECKS = (
    Check(
        name="settings_pending_restart",
        subset="server",
        unit="settings",
        measure=_pending,
        remedy="Restart the server in a window, standbys first.",
        levels=Levels(warning=0),
    ),
    Check(
        name="configuration_errors",
        subset="server",
        unit="lines",
        measure=_configuration,
        remedy="Correct the line and reload; the next restart may fail on it.",
        levels=Levels(critical=0),
    ),
    Check(
        name="hba_errors",
        subset="server",
        unit="lines",
        measure=_hba,
        remedy="Correct the line and reload; until then the old rules stay in force and a restart locks everybody out.",
        levels=Levels(critical=0),
    ),
    Check(
        name="collation_mismatch",
        subset="server",
        unit="collations",
        measure=_collations,
        remedy="REINDEX what is ordered by it, then ALTER COLLATION or ALTER DATABASE ... REFRESH (COLLATION) VERSION.",
        levels=Levels(warning=0),
    ),
)
