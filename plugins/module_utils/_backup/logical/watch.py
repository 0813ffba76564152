# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How far pg_dump is: it names each table that it begins with, and the server knows how far it got in it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.observe import COPIED, FRESH, Table
from ansible_collections.runbook.postgres.plugins.module_utils._command import Program
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

_BEGUN = re.compile(r'dumping contents of table "(.*)"$', re.MULTILINE)
# The server tells of a COPY under way from this version on.
_TELLS = 14


class Watch:
    def __init__(self, session: Session, tables: Sequence[Table], program: Program) -> None:
        self._session = session
        self._tables = {table.title: table for table in tables}
        self._total = float(sum(table.bytes for table in tables))
        self._program = program
        self._position = 0
        self._begun: dict[int, int] = {}
        self._reached = 0.0

    def measure(self) -> tuple[float, float | None]:
        """Bytes of the tables that are through, and of how many."""
        said, self._position = self._program.said_since(self._position)
        for title in _BEGUN.findall(said):
            table = self._tables.get(title)
            if table is not None:
                self._begun[table.oid] = table.bytes
        # Never backwards, although the next table may begin a moment after the last one ended.
        self._reached = max(self._reached, sum(self._begun.values()) - self._left())
        return self._reached, self._total

    def _left(self) -> float:
        """Of the tables that are being copied now, what is still to come."""
        if self._session.major < _TELLS:
            return float(next(reversed(self._begun.values()), 0))
        with contextlib.suppress(Problem):
            # Should the server be gone, pg_dump says so.
            self._session.fetch(FRESH)
            now = {row["oid"]: row["bytes"] for row in self._session.fetch(COPIED)}
            return float(sum(max(0, self._begun[oid] - copied) for oid, copied in now.items() if oid in self._begun))
        return 0.0
