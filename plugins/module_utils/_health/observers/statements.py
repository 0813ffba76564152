# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read pg_stat_statements from whichever schema it was created in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import statements as catalog
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier


def statements_home(session: Session) -> str | None:
    """The schema of the extension in this database, or None where it was not created."""
    rows = session.fetch(catalog.HOME)
    return rows[0]["schema"] if rows else None


def heaviest_statements(session: Session, schema: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    # The view counts for the whole cluster: one database that has it is enough.
    return session.fetch(compose(catalog.HEAVIEST, view=identifier(schema, "pg_stat_statements")), values)
