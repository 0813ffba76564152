# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read where sequences stand, many in one statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, TookTooLong
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
        found = observe_sequences(
            lambda: interview.hurried(session), interview.scope.limit, lambda: interview.remaining() <= 0
        )
        for reason in found.reasons():
            interview.lost(catalog.SEQUENCES.name, database, reason)
        return found.positions

    interview.attempt(catalog.SEQUENCES, database, used_most)


@dataclass
class Found:
    """The sequences used most, and how many could not be looked at."""

    positions: list[catalog.Sequence] = field(default_factory=list)
    forbidden: int = 0
    locked: int = 0
    unanswered: int = 0

    def reasons(self) -> list[str]:
        reasons = []
        if self.forbidden:
            reasons.append(f"{shown_count(self.forbidden, 'sequence')} may not be read: {catalog.SEQUENCES.advice}")
        if self.locked:
            reasons.append(
                f"{shown_count(self.locked, 'sequence is', 'sequences are')} locked by a session that drops or "
                "truncates: repeat once it has committed"
            )
        if self.unanswered:
            reasons.append(
                f"{shown_count(self.unanswered, 'sequence')} gave no answer: locked, dropped, or out of time"
            )
        return reasons


def observe_sequences(session: Callable[[], Session], limit: int, over: Callable[[], bool]) -> Found:
    """The session is asked for before each statement, so that it may be given less time for the next.

    Once it is over, the rest counts as unanswered.
    """
    ranges = [catalog.SequenceRange(**row) for row in session().fetch(catalog.LISTING)]
    readable = [each for each in ranges if each.readable and not each.locked]
    forbidden = sum(1 for each in ranges if not each.readable)
    found = Found(forbidden=forbidden, locked=len(ranges) - len(readable) - forbidden)
    for start in range(0, len(readable), catalog.BATCH):
        batch = readable[start : start + catalog.BATCH]
        positions = found.positions + _read(session, batch, found, over)
        # Only the worst are kept, so that memory does not follow their number.
        found.positions = sorted(positions, key=lambda each: (-each.used_percent, each.sequence))[:limit]
    return found


def _read(
    session: Callable[[], Session], batch: list[catalog.SequenceRange], found: Found, over: Callable[[], bool]
) -> list[catalog.Sequence]:
    """One statement for the batch; a sequence dropped meanwhile must not cost the others.

    What took too long is not tried again in halves, each of which may take as long.
    """
    if over():
        found.unanswered += len(batch)
        return []
    try:
        rows = session().fetch(
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
    except QueryFailed as error:
        if isinstance(error, TookTooLong) or len(batch) == 1:
            found.unanswered += len(batch)
            return []
        middle = len(batch) // 2
        return _read(session, batch[:middle], found, over) + _read(session, batch[middle:], found, over)
    return [_position(batch[row["ordinal"]], row["last_value"]) for row in rows]


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
