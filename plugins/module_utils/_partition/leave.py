# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How partitions leave their table: detached, and dropped only when still what they were when it was planned."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import Found
from ansible_collections.runbook.postgres.plugins.module_utils._partition.marks import awaiting_of, mark_of, marked
from ansible_collections.runbook.postgres.plugins.module_utils._partition.standing import standing, still_leaves
from ansible_collections.runbook.postgres.plugins.module_utils._partition.steps import (
    Detach,
    Drop,
    FinishDetach,
    Keep,
    RemoveDefault,
)
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier, literal


class Leaver:
    """Takes the steps by which partitions of one table leave it."""

    def __init__(self, session: Session, found: Found) -> None:
        self._session = session
        self._found = found
        self._parent = identifier(found.table.schema, found.table.name)

    def finish_detach(self, step: FinishDetach) -> None:
        self._run("ALTER TABLE {parent} DETACH PARTITION {child} FINALIZE", child=self._child(step))

    def detach(self, step: Detach) -> None:
        """Concurrently where the server can: then not even readers of the table wait."""
        leaves = step.then_drop or step.then_archive
        if self._found.major < 14 or self._has_default():
            # At once with what is said about it, so that no table in use says that it is to go.
            statement = compose(
                "ALTER TABLE {parent} DETACH PARTITION {child}", parent=self._parent, child=self._child(step)
            )
            self._session.together([statement, *([self._mark(step)] if leaves else [])])
            return
        if leaves:
            self._session.fetch(self._mark(step))
        try:
            self._run("ALTER TABLE {parent} DETACH PARTITION {child} CONCURRENTLY", child=self._child(step))
        except QueryFailed:
            # A wait that was given up leaves the detach pending, and the server
            # wants it finished, not begun again.
            if not self._pending(step):
                raise
            self._run("ALTER TABLE {parent} DETACH PARTITION {child} FINALIZE", child=self._child(step))

    def _has_default(self) -> bool:
        """Also one that was made by an earlier step."""
        rows = self._session.fetch(
            "SELECT partdefid <> 0 AS found FROM pg_partitioned_table WHERE partrelid = %(oid)s",
            {"oid": self._found.table.oid},
        )
        return bool(rows and rows[0]["found"])

    def _pending(self, step: Detach) -> bool:
        rows = self._session.fetch(
            "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = %(oid)s", {"oid": step.partition.oid}
        )
        return bool(rows and rows[0]["inhdetachpending"])

    def _mark(self, step: Detach) -> Any:
        title = step.table.title
        mark = awaiting_of(title) + step.partition.bound if step.then_archive else mark_of(title)
        said = marked(mark, self._standing(step).get("comment"), title)
        return compose("COMMENT ON TABLE {child} IS {mark}", child=self._child(step), mark=literal(said))

    def keep(self, step: Keep) -> None:
        said = str(self._standing(step).get("comment") or "").partition("\n")[2]
        self._run("COMMENT ON TABLE {child} IS {said}", child=self._child(step), said=literal(said or None))

    def drop(self, step: Drop) -> None:
        """Only what still is what it was when this was planned: detached, and said to go."""
        with self._session.transaction():
            self._run("LOCK TABLE {child} IN ACCESS EXCLUSIVE MODE", child=self._child(step))
            found = self._standing(step)
            said = str(found.get("comment") or "").partition("\n")[0]
            if not still_leaves(found, step.partition) or said != mark_of(step.table.title):
                raise QueryFailed(
                    f"{step.partition.name} is not dropped: somebody attached, renamed or commented it meanwhile"
                )
            self._run("DROP TABLE {child}", child=self._child(step))

    def remove_default(self, step: RemoveDefault) -> None:
        with self._session.transaction():
            self._run("ALTER TABLE {parent} DETACH PARTITION {child}", child=self._child(step))
            if self._session.fetch(compose("SELECT 1 AS row FROM {child} LIMIT 1", child=self._child(step))):
                raise QueryFailed(f"rows came into default partition {step.partition.name} meanwhile, so it stays")
            self._run("DROP TABLE {child}", child=self._child(step))

    def _standing(self, step: Keep | Detach | Drop) -> dict[str, Any]:
        return standing(self._session.fetch, step.partition)

    def _run(self, statement: str, **parts: Any) -> None:
        self._session.fetch(compose(statement, parent=self._parent, **parts))

    @staticmethod
    def _child(step: FinishDetach | Keep | Detach | Drop | RemoveDefault) -> Any:
        return identifier(step.partition.schema, step.partition.name)
