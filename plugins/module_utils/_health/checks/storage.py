# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Is there room on the disks?"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import storage as seen_by
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import (
    Check,
    Levels,
    Measure,
    shown_bytes,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed


def _space(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.DISKS):
        row = seen.row
        yield Measure(
            row.used_percent,
            f"The disk of the {row.purpose} is {row.used_percent:.0f} % full, "
            f"{shown_bytes(row.available_bytes)} are left.",
            row.path,
        )


def _inodes(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.DISKS):
        row = seen.row
        if row.inodes_used_percent is not None:
            yield Measure(
                row.inodes_used_percent,
                f"The disk of the {row.purpose} has {row.inodes_used_percent:.0f} % of its inodes taken.",
                row.path,
            )


CHECKS = (
    Check(
        name="disk_used_percent",
        subset="storage",
        unit="%",
        measure=_space,
        remedy="Look for WAL that piles up and for temporary files; then the largest tables, or a larger disk.",
        levels=Levels(warning=85, critical=90),
    ),
    Check(
        name="inodes_used_percent",
        subset="storage",
        unit="%",
        measure=_inodes,
        remedy="Look for directories with very many small files on this disk.",
        levels=Levels(warning=85, critical=90),
    ),
)
