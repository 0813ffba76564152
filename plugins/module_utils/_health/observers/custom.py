# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Run the user's own queries, each in a read-only transaction that is always rolled back."""

from __future__ import annotations

import math
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.custom import CUSTOM_VALUES, CustomValue
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import CustomQuery
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session


def ask_custom(interview: Interview, session: Session, database: str) -> None:
    """The user's questions to this database; one that fails is listed under its own name."""
    if not interview.wants(CUSTOM_VALUES):
        return
    for question in interview.scope.queries:
        if (question.database or interview.home) == database:
            _ask_one(interview, session, database, question)


def _ask_one(interview: Interview, session: Session, database: str, question: CustomQuery) -> None:
    def values() -> list[CustomValue]:
        return _run(interview.hurried(session), question, interview.scope.limit)

    interview.attempt(CUSTOM_VALUES, database, values, called=question.name)


def _run(session: Session, question: CustomQuery, limit: int) -> list[CustomValue]:
    session.fetch("BEGIN TRANSACTION READ ONLY")
    try:
        # Their names resolve as they would in psql; ours are all in pg_catalog.
        session.fetch("SELECT set_config('search_path', '\"$user\", public', true)")
        rows = session.fetch_tuples(question.query)
    except QueryFailed:
        session.fetch("ROLLBACK")
        raise
    # Not in a finally: on a session that is gone it would hide why.
    session.fetch("ROLLBACK")
    if not rows:
        raise QueryFailed("the query returned no row: let it return the value in its first column, 0 included")
    values = [_value(question.name, row) for row in rows]
    # Every row is looked at before the worst are kept, or the one that matters could be cut off.
    return sorted(values, key=lambda each: each.value, reverse=question.above)[:limit]


def _value(name: str, cells: tuple[Any, ...]) -> CustomValue:
    if not cells:
        raise QueryFailed("the query returned rows without a column: let it return the value in its first")
    try:
        value = float(cells[0])
    except (TypeError, ValueError) as error:
        raise QueryFailed(
            f"the first column holds {cells[0]!r}, which is no number: let the query return a number or a boolean"
        ) from error
    if not math.isfinite(value):
        raise QueryFailed(f"the first column holds {value}, which cannot be compared: let the query return a number")
    return CustomValue(check=name, object=None if len(cells) < 2 or cells[1] is None else str(cells[1]), value=value)
