# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where the rows of a table stand: keys that they hold, read from the table itself."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import point
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import Found
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import Partition
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier


def read_highest(session: Session, found: Found) -> int | None:
    """Where a key that is no time stands: its highest value.

    Partitions are asked from the last backwards until one holds a row, so that
    few are touched; the default may hold anything.
    """
    bounded = [each for each in found.table.partitions if each.range is not None and not each.detach_pending]
    bounded.sort(key=_beginning, reverse=True)
    values = [_highest_of(session, found, found.table.default)] if found.table.default is not None else []
    for each in bounded:
        values.append(_highest_of(session, found, each))
        if values[-1] is not None:
            break
    return max((value for value in values if value is not None), default=None)


def _beginning(partition: Partition) -> float:
    lower = partition.range.lower if partition.range is not None else None
    return float("-inf") if lower is None else lower


def _highest_of(session: Session, found: Found, partition: Partition) -> int | None:
    table = identifier(partition.schema, partition.name)
    rows = session.fetch(compose("SELECT max({key}) AS highest FROM {table}", key=found.key, table=table))
    return None if rows[0]["highest"] is None else int(rows[0]["highest"])


def on_axis(session: Session, statement: Any) -> int | None:
    """The one value of such a statement, a key of the table."""
    rows = session.fetch(compose("SELECT cut::text AS cut FROM ({statement}) found", statement=statement))
    return None if not rows or rows[0]["cut"] is None else point(rows[0]["cut"])
