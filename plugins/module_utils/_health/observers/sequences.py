# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read where sequences stand, many in one statement."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import sequences as catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import shown_count
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
        rows, reasons = observe_sequences(interview.hurried(session), interview.scope.limit)
        for reason in reasons:
            interview.lost(catalog.SEQUENCES.name, database, reason)
        return rows

    interview.attempt(catalog.SEQUENCES, database, used_most)


def observe_sequences(session: Session, limit: int) -> tuple[list[catalog.Sequence], list[str]]:
    """The sequences used most, and why others could not be read."""
    ranges = [catalog.SequenceRange(**row) for row in session.fetch(catalog.LISTING)]
    readable = [each for each in ranges if each.readable and not each.locked]
    forbidden = sum(1 for each in ranges if not each.readable)
    locked = len(ranges) - len(readable) - forbidden
    positions: list[catalog.Sequence] = []
    for start in range(0, len(readable), catalog.BATCH):
        read, missed = _read(session, readable[start : start + catalog.BATCH])
        locked += missed
        # Only the worst are kept, so that memory does not follow their number.
        positions = sorted(positions + read, key=lambda each: (-each.used_percent, each.sequence))[:limit]
    return positions, _reasons(forbidden, locked)


def _reasons(forbidden: int, locked: int) -> list[str]:
    reasons = []
    if forbidden:
        reasons.append(f"{shown_count(forbidden, 'sequence')} may not be read: {catalog.SEQUENCES.advice}")
    if locked:
        reasons.append(
            f"{shown_count(locked, 'sequence is', 'sequences are')} locked by a session that drops or truncates: "
            "repeat once it has committed"
        )
    return reasons


def _read(session: Session, batch: list[catalog.SequenceRange]) -> tuple[list[catalog.Sequence], int]:
    """One statement for the batch, and how many it missed.

    A sequence dropped or locked since the listing must not cost the others.
    """
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
            return [], 1
        middle = len(batch) // 2
        (left, missed_left), (right, missed_right) = (_read(session, part) for part in (batch[:middle], batch[middle:]))
        return left + right, missed_left + missed_right
    return [_position(batch[row["ordinal"]], row["last_value"]) for row in rows], 0


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
