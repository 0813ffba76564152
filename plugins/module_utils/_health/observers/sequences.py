# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read where sequences stand, many in one statement."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import sequences as catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._session import (
    Session,
    compose,
    identifier,
    joined,
)


def ask_sequences(interview: Interview, session: Session, database: str) -> None:
    if not interview.wants(catalog.SEQUENCES):
        return

    def used_most() -> list[catalog.Sequence]:
        rows, unreadable = observe_sequences(interview.hurried(session), interview.scope.limit)
        if unreadable:
            reason = f"{unreadable} sequences may not be read: {catalog.SEQUENCES.advice}"
            interview.lost(catalog.SEQUENCES.name, database, reason)
        return rows

    interview.attempt(catalog.SEQUENCES, database, used_most)


def observe_sequences(session: Session, limit: int) -> tuple[list[catalog.Sequence], int]:
    """The sequences used most, and how many may not be read."""
    ranges = [catalog.SequenceRange(**row) for row in session.fetch(catalog.LISTING)]
    readable = [each for each in ranges if each.readable]
    positions: list[catalog.Sequence] = []
    for start in range(0, len(readable), catalog.BATCH):
        batch = readable[start : start + catalog.BATCH]
        positions += _read(session, batch)
        # Only the worst are kept, so that memory does not follow their number.
        positions = sorted(positions, key=lambda each: (-each.used_percent, each.sequence))[:limit]
    return positions, len(ranges) - len(readable)


def _read(session: Session, batch: list[catalog.SequenceRange]) -> list[catalog.Sequence]:
    """One statement for the batch; a sequence dropped or locked meanwhile must not cost the others."""
    try:
        rows = session.fetch(
            joined(
                " UNION ALL ",
                [
                    compose(
                        catalog.POSITION,
                        ordinal=_number(ordinal),
                        sequence=identifier(each.schema, each.name),
                    )
                    for ordinal, each in enumerate(batch)
                ],
            )
        )
    except QueryFailed:
        if len(batch) == 1:
            raise
        middle = len(batch) // 2
        return _either(session, batch[:middle]) + _either(session, batch[middle:])
    return [_position(batch[row["ordinal"]], row["last_value"]) for row in rows]


def _either(session: Session, part: list[catalog.SequenceRange]) -> list[catalog.Sequence]:
    if not part:
        return []
    try:
        return _read(session, part)
    except QueryFailed:
        return []


def _number(value: int) -> Any:
    return compose(str(int(value)))


def _position(each: catalog.SequenceRange, last: int) -> catalog.Sequence:
    span = abs(each.end - each.first)
    used = 100.0 * abs(last - each.first) / span if span else 100.0
    return catalog.Sequence(
        sequence=f"{each.schema}.{each.name}",
        last_value=last,
        end_value=each.end,
        used_percent=used,
    )
