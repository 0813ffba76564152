# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ask what is one statement of SQL, as most questions are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import bloat
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import shown_count
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Probe, Server
from ansible_collections.runbook.postgres.plugins.module_utils._health.sql_text import masked
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session


def ask(interview: Interview, session: Session, probe: Probe, database: str | None) -> None:
    """Nothing where this server has nothing to say: another version, another role."""
    statement = probe.statement(interview.server.major)
    if statement is None or probe.role not in (None, interview.server.role):
        return

    def rows() -> list[Any]:
        found = interview.hurried(session).fetch(statement, interview.values())
        return decoded(probe, found, interview.server)

    interview.attempt(probe, database, rows)
    if probe is bloat.UNESTIMATED:
        _explain_bloat(interview, database)


def decoded(probe: Probe, records: Sequence[Mapping[str, Any]], server: Server) -> list[Any]:
    """Rows as values; the text of other people's queries leaves here without its literals."""
    if probe.convert is not None:
        return [probe.convert(record, server) for record in records]
    return [
        probe.row(**{**record, "query": masked(record["query"] or "")} if "query" in record else record)
        for record in records
    ]


def _explain_bloat(interview: Interview, database: str | None) -> None:
    """Tables that could not be estimated are said to be so, instead of looking healthy."""
    for seen in interview.observed.of(bloat.UNESTIMATED):
        if seen.database == database and seen.row.forbidden:
            interview.lost(
                bloat.TABLE_BLOAT.name,
                database,
                f"{shown_count(seen.row.forbidden, 'table')} of 1 MiB and more may not be read, nor its statistics: "
                "GRANT pg_read_all_data (from version 14) or SELECT on them to the role, and where row security "
                "hides them let a role with BYPASSRLS ask",
            )
        if seen.database == database and seen.row.never_analyzed:
            interview.lost(
                bloat.TABLE_BLOAT.name,
                database,
                f"{shown_count(seen.row.never_analyzed, 'table')} of 1 MiB and more without statistics: ANALYZE",
            )
