# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Take the steps of a restore; killed anywhere, the next run finds a marked table and goes on or begins again.

No lock on the table is held while rows are loaded: they go into a table of their own.
"""

from __future__ import annotations

import time
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._partition import traits
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.describe import copy_statement
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import Found
from ansible_collections.runbook.postgres.plugins.module_utils._partition.restore.observe import Given, within
from ansible_collections.runbook.postgres.plugins.module_utils._partition.restore.plan import (
    BEING_RESTORED,
    RESTORED,
    Attach,
    Load,
    Make,
    bound_ends,
)
from ansible_collections.runbook.postgres.plugins.module_utils._patience import Patience
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier, literal
from ansible_collections.runbook.postgres.plugins.module_utils._stream.reading import Unreadable, opened
from ansible_collections.runbook.postgres.plugins.module_utils._stream.writing import Tally

CHECK = "runbook_postgres_bounds"


class NotRestored(Problem):
    """The archive did not become a partition; the table is as it was."""


class Restorer:
    def __init__(
        self, session: Session, found: Found, given: Given, patience: Patience, connect: Callable[[], CopyConnection]
    ) -> None:
        self._session, self._found, self._given = session, found, given
        self._patience, self._connect = patience, connect
        told = given.manifest
        self._child = identifier(told.partition_schema, told.partition)
        self._parent = identifier(found.table.schema, found.table.name)
        self.done: list[dict[str, Any]] = []

    def take(self, step: Make | Load | Attach) -> None:
        ways: dict[type, Callable[[Any], None]] = {Make: self._make, Load: self._load, Attach: self._attach}
        started = time.monotonic()
        try:
            attempts = self._patience.tried(step.sentence, lambda: ways[type(step)](step))
        except (ProgramFailed, Unreadable, QueryFailed, OSError) as error:
            reason = error.sentence if isinstance(error, Problem) else str(error.strerror)
            raise NotRestored(
                f"Could not {step.sentence}: {reason.rstrip('.')}; {self._found.table.title} is as it was."
            ) from error
        self.done.append({"step": step.sentence, "seconds": round(time.monotonic() - started, 3), "attempts": attempts})

    def _make(self, step: Make) -> None:
        with self._session.transaction():
            if step.leftover:
                self._session.fetch(compose("DROP TABLE {child}", child=self._child))
            # What comes with being a partition follows when it becomes one; here it would be in the way.
            known = traits.read_traits(self._session, step.table.oid)
            self._session.fetch(traits.creation(known, self._parent, self._child, None)[0])
            # While it is empty: the server need not read it when it is attached.
            self._session.fetch(
                compose(
                    "ALTER TABLE {child} ADD CONSTRAINT {check} CHECK ({within})",
                    child=self._child,
                    check=identifier(CHECK),
                    within=within(self._found.key, step.manifest.bound),
                )
            )
            self._say(BEING_RESTORED.format(title=step.table.title))

    def _load(self, step: Load) -> None:
        told = self._given.manifest
        stored = [each.name for each in told.columns if not each.generated]
        with self._connect() as connection, opened(step.file, told.compression, self._given.identity) as content:
            connection.fetch("BEGIN")
            # Emptied in the same transaction, it is filled from the front, and rows keep their order.
            connection.fetch(compose("TRUNCATE TABLE ONLY {child}", child=self._child))
            # Checks and computed columns may call functions that the role finds by its own path.
            connection.fetch("SET LOCAL search_path TO DEFAULT")
            rows = connection.copy_in(
                copy_statement(self._child, stored, told.format, "FROM STDIN"), content.read, content.abort
            )
            content.finish()
            _compare("file", (rows, content.bytes, content.sha256), (told.rows, told.bytes, told.sha256))
            connection.fetch("SET LOCAL search_path = pg_catalog")
            there = Tally()
            connection.copy_out(
                copy_statement(self._child, stored, told.format, "TO STDOUT"), there.write, lambda: None
            )
            _compare("table", (rows, there.bytes, there.sha256), (told.rows, told.bytes, told.sha256))
            mark = RESTORED.format(sha256=told.sha256, title=step.table.title)
            connection.fetch(compose("COMMENT ON TABLE {child} IS {mark}", child=self._child, mark=literal(mark)))
            connection.fetch("COMMIT")
            connection.fetch(compose("ANALYZE {child}", child=self._child))

    def _attach(self, step: Attach) -> None:
        told = step.manifest
        lower, upper = bound_ends(told.bound) or (None, None)
        wanted = traits.read_traits(self._session, step.table.oid)
        with self._session.transaction():
            # The table before its partition: the order in which everybody else takes these locks.
            self._session.fetch(compose("LOCK TABLE ONLY {parent} IN SHARE UPDATE EXCLUSIVE MODE", parent=self._parent))
            self._say(told.comment)
            for statement in traits.statements(wanted, self._child):
                self._session.fetch(statement)
            self._session.fetch(
                compose(
                    "ALTER TABLE {parent} ATTACH PARTITION {child} FOR VALUES FROM ({lower}) TO ({upper})",
                    parent=self._parent,
                    child=self._child,
                    lower=compose("MINVALUE") if lower is None else literal(lower),
                    upper=compose("MAXVALUE") if upper is None else literal(upper),
                )
            )
            self._session.fetch(
                compose("ALTER TABLE {child} DROP CONSTRAINT {check}", child=self._child, check=identifier(CHECK))
            )
            self._identify()

    def _identify(self) -> None:
        """By the partition's index that has now become part of its table's."""
        told, oid = self._given.manifest, self._found.table.oid
        names = {"oid": oid, "schema": told.partition_schema, "name": told.partition}
        for row in self._session.fetch(traits.IDENTITY_INDEX, names):
            statement = "ALTER TABLE {child} REPLICA IDENTITY USING INDEX {index}"
            self._session.fetch(compose(statement, child=self._child, index=identifier(row["name"])))

    def _say(self, comment: str | None) -> None:
        self._session.fetch(compose("COMMENT ON TABLE {child} IS {said}", child=self._child, said=literal(comment)))


def _compare(what: str, found: tuple[int, int, str], told: tuple[int, int, str]) -> None:
    if found != told:
        raise Unreadable(
            f"the content of the {what} is not the archived one ({found[0]} rows and {found[1]} bytes of {told[0]} "
            f"and {told[1]}, its hash {'is right' if found[2] == told[2] else 'differs'})"
        )
