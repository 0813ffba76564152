# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read pg_stat_statements from whichever database and schema it was created in."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.statements import (
    HEAVIEST,
    HOME,
    STATEMENTS,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.plain import decoded
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier


def ask_statements(interview: Interview, session: Session, database: str) -> None:
    """The view counts for the whole cluster, so the first database that has it is enough."""
    if not interview.wants(STATEMENTS) or interview.observed.of(STATEMENTS) or not interview.server.monitor:
        return
    interview.attempt(STATEMENTS, database, lambda: _heaviest(interview, session))


def settle_statements(interview: Interview) -> None:
    """Say so where no database had the extension; a view that was empty would look alike."""
    if not interview.wants(STATEMENTS) or interview.observed.of(STATEMENTS):
        return
    interview.observed.rows.pop(STATEMENTS.name, None)
    if not interview.server.monitor:
        interview.attempt(STATEMENTS, None, list)
    elif not any(lost.probe == STATEMENTS.name for lost in interview.observed.unavailable):
        interview.lost(STATEMENTS.name, None, _why_missing(interview))


def _why_missing(interview: Interview) -> str:
    if not interview.examined:
        return "no database could be looked at"
    return f"no database looked at ({', '.join(interview.examined)}) has the extension: {STATEMENTS.advice}"


def _heaviest(interview: Interview, session: Session) -> list[Any]:
    home = interview.hurried(session).fetch(HOME)
    if not home:
        return []
    statement = compose(HEAVIEST, view=identifier(home[0]["schema"], "pg_stat_statements"))
    return decoded(STATEMENTS, session.fetch(statement, interview.values()), interview.server)
