# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Move the rows of one period out of the default partition, so that nobody ever misses or doubles one.

A partition cannot be attached while the default holds rows of its period, and a
row that has left the default is seen by nobody until its partition is attached.
So the partition grows: each transaction moves a batch of rows and attaches the
partition for as far as they reach. It holds the locks for one batch's time, and
whenever we are interrupted each row has one home.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import Range, printed
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import GROWING, Found
from ansible_collections.runbook.postgres.plugins.module_utils._partition.default import within
from ansible_collections.runbook.postgres.plugins.module_utils._partition.position import on_axis
from ansible_collections.runbook.postgres.plugins.module_utils._partition.steps import Fill
from ansible_collections.runbook.postgres.plugins.module_utils._session import (
    Session,
    compose,
    identifier,
    joined,
    literal,
)

COLUMNS = """
SELECT attname::text AS name FROM pg_attribute
 WHERE attrelid = %(oid)s AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""

# What would fire for rows that are deleted here and are not gone. Before version 15
# a trigger that comes from the table counts as internal, as those of foreign keys do.
TRIGGERS = """
SELECT t.tgname::text AS name, t.tgenabled::text AS enabled FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE t.tgrelid = %(oid)s AND (NOT t.tgisinternal OR p.pronamespace <> 'pg_catalog'::regnamespace)
   AND t.tgenabled <> 'D' AND t.tgtype & 8 > 0
 ORDER BY t.tgname
"""

_ENABLED = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}


class Drainer:
    """Fills one partition, batch by batch; each call of move() is one transaction."""

    def __init__(self, session: Session, found: Found, step: Fill, batch: int) -> None:
        self._session = session
        self._found = found
        self._step = step
        self._batch = batch
        self._table = identifier(step.source.schema, step.source.name)
        grown = step.grown.range if step.grown is not None else None
        # Where the partition begins, and how far it reaches already.
        self._lower = step.range.lower if grown is None else grown.lower
        self._reached = step.range.lower
        self._attached = grown is not None
        self.moved = 0

    @property
    def finished(self) -> bool:
        return self._attached and self._reached == self._step.range.upper

    def move(self, creation: list[Any], attachment: Callable[[Range], Any], identify: Callable[[], None]) -> None:
        """A batch of rows: the statements that make the partition, the one that attaches it for a range, and what
        is to be done when it is attached."""
        cut = self._cut()
        period = Range(self._reached, cut)
        parent = identifier(self._step.table.schema, self._step.table.name)
        child = identifier(self._step.table.schema, self._step.name)
        triggers = self._session.fetch(TRIGGERS, {"oid": self._step.source.oid})
        columns = [identifier(each["name"]) for each in self._session.fetch(COLUMNS, {"oid": self._step.table.oid})]
        with self._session.transaction():
            # Who looked up the partitions before and read them after would miss the rows moved: nobody may.
            self._run("LOCK TABLE ONLY {parent} IN ACCESS EXCLUSIVE MODE", parent=parent)
            self._run("LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE", default=self._table)
            if self._attached:
                self._run("ALTER TABLE {parent} DETACH PARTITION {child}", parent=parent, child=child)
            else:
                self._session.together(creation)
            self._fire(triggers, None)
            moved = self._session.fetch(
                compose(
                    "WITH gone AS (DELETE FROM {default} WHERE {within} RETURNING {columns}), come AS "
                    "(INSERT INTO {child} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM gone RETURNING 1) "
                    "SELECT count(*) AS rows FROM come",
                    default=self._table,
                    child=child,
                    within=within(self._found, period),
                    columns=joined(", ", columns),
                )
            )[0]["rows"]
            self._fire(triggers, _ENABLED)
            self._session.fetch(attachment(Range(self._lower, cut)))
            identify()
            mark = literal(None if cut == self._step.range.upper else GROWING)
            self._run("COMMENT ON TABLE {child} IS {mark}", child=child, mark=mark)
        self._attached, self._reached = True, cut
        self.moved += int(moved)

    def _cut(self) -> int | None:
        """How far a batch of rows reaches: a key that is not in it any more, or the end of the period.

        Looked up before anything is locked: rows that arrive meanwhile are moved as well.
        """
        kind, period = self._step.table.kind, Range(self._reached, self._step.range.upper)
        statement = compose(
            "SELECT {key} AS cut FROM {default} WHERE {within} ORDER BY 1 OFFSET {batch} LIMIT 1",
            key=self._found.key,
            default=self._table,
            within=within(self._found, period),
            batch=literal(self._batch),
        )
        cut = on_axis(self._session, statement)
        if cut is None or period.lower is None or cut > period.lower:
            return period.upper if cut is None else cut
        # More rows than a batch have the same key, and stay together.
        after = compose(
            "SELECT min({key}) AS cut FROM {default} WHERE {within} AND {key} > {cut}",
            key=self._found.key,
            default=self._table,
            within=within(self._found, period),
            cut=literal(printed(kind, cut)),
        )
        cut = on_axis(self._session, after)
        return period.upper if cut is None else cut

    def _fire(self, triggers: list[dict[str, Any]], how: dict[str, str] | None) -> None:
        for each in triggers:
            verb = "DISABLE" if how is None else how[each["enabled"]]
            self._run(
                f"ALTER TABLE {{default}} {verb} TRIGGER {{name}}",
                default=self._table,
                name=identifier(each["name"]),
            )

    def _run(self, statement: str, **parts: Any) -> None:
        self._session.fetch(compose(statement, **parts))
