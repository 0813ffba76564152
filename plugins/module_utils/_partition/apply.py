# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Take a plan's steps, each so that it is either done or not begun, whenever we are interrupted.

Nobody is kept waiting: the session gives up a lock it does not get within
lock_timeout, and the step is tried again after a pause, during which the queue
behind it moves on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._partition import traits
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.archiver import Archiver
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import Range, printed
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import Found
from ansible_collections.runbook.postgres.plugins.module_utils._partition.default import outside
from ansible_collections.runbook.postgres.plugins.module_utils._partition.drain import Drainer
from ansible_collections.runbook.postgres.plugins.module_utils._partition.leave import Leaver
from ansible_collections.runbook.postgres.plugins.module_utils._partition.request import Manner
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import Partition
from ansible_collections.runbook.postgres.plugins.module_utils._partition.steps import (
    Create,
    CreateDefault,
    Detach,
    Drop,
    Fill,
    FinishDetach,
    Keep,
    RemoveDefault,
    Step,
)
from ansible_collections.runbook.postgres.plugins.module_utils._patience import Patience
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier, literal

# Says of a default partition that it holds nothing of a period, and has it proved.
EXCLUDING = (
    "ALTER TABLE {default} DROP CONSTRAINT IF EXISTS runbook_postgres_excluded",
    "ALTER TABLE {default} ADD CONSTRAINT runbook_postgres_excluded CHECK ({outside}) NOT VALID",
    "ALTER TABLE {default} VALIDATE CONSTRAINT runbook_postgres_excluded",
)


@dataclass
class Done:
    """A step that was taken, how often it was tried and how long it took."""

    step: Step
    seconds: float
    attempts: int
    rows: int = 0


class Applier:
    """Applies the steps for one table. What new partitions take over is read once, before the first of them."""

    def __init__(
        self, session: Session, found: Found, manner: Manner, tablespace: str | None, archiver: Archiver
    ) -> None:
        self._session = session
        self._found = found
        self._manner = manner
        self._tablespace = tablespace
        self._patience = Patience(manner.lock_seconds, manner.retries)
        self.archiver = archiver
        self._leaver = Leaver(session, found)
        self._known: traits.Traits | None = None
        self._parent = identifier(found.table.schema, found.table.name)
        self.done: list[Done] = []

    @property
    def longest_attempt_seconds(self) -> float:
        return self._patience.longest_attempt_seconds

    def take(self, step: Step) -> None:
        started = time.monotonic()
        if isinstance(step, Fill):
            attempts, rows = self._fill(step)
        else:
            ways: dict[type, Callable[[Any], None]] = {
                FinishDetach: self._leaver.finish_detach,
                Keep: self._leaver.keep,
                Create: self._create,
                CreateDefault: self._create_default,
                RemoveDefault: self._leaver.remove_default,
                Detach: self._leaver.detach,
                Drop: self._leaver.drop,
                **self.archiver.ways(),
            }
            attempts, rows = self._tried(step, lambda: ways[type(step)](step)), 0
        self.done.append(Done(step, time.monotonic() - started, attempts, rows))

    def _tried(self, step: Step, act: Callable[[], None]) -> int:
        return self._patience.tried(step.sentence, act)

    def _create(self, step: Create) -> None:
        bounds = self._bounds(step.range)
        if step.beside is None:
            self._make(step.name, bounds)
            return
        # What is proved beforehand, while others go on, need not be proved under the lock.
        excluded = [
            compose(text, default=self._named(step.beside), outside=outside(self._found, step.range))
            for text in EXCLUDING
        ]
        # What an interrupted run left is in the way of nobody any more.
        self._session.together(excluded[:2])
        self._session.fetch(excluded[2])
        self._make(step.name, bounds, excluded[0])

    def _create_default(self, step: CreateDefault) -> None:
        self._make(step.name, compose("DEFAULT"))

    @staticmethod
    def _named(partition: Partition) -> Any:
        return identifier(partition.schema, partition.name)

    def _make(self, name: str, bounds: Any, *afterwards: Any) -> None:
        known, child = self._traits(), identifier(self._found.table.schema, name)
        # The table before its partition: the order in which everybody else takes these locks.
        script = [compose("LOCK TABLE ONLY {parent} IN SHARE UPDATE EXCLUSIVE MODE", parent=self._parent)]
        script += [*self._creation(child), self._attachment(child, bounds), *afterwards]
        if known.replica_identity != "i":
            self._session.together(script)
            return
        with self._session.transaction():
            self._session.together(script)
            self._identify(name)

    def _fill(self, step: Fill) -> tuple[int, int]:
        drainer = Drainer(self._session, self._found, step, self._manner.drain_batch)
        child = identifier(step.table.schema, step.name)
        script = [] if step.grown is not None else self._creation(child)
        attempts = 0

        def attachment(period: Range) -> Any:
            return self._attachment(child, self._bounds(period))

        def identify() -> None:
            if self._traits().replica_identity == "i":
                self._identify(step.name)

        while not drainer.finished:
            started = time.monotonic()
            attempts += self._tried(step, lambda: drainer.move(script, attachment, identify))
            if not drainer.finished:
                # As long as others had to wait for us, they now need not.
                time.sleep(min(5.0, time.monotonic() - started))
        return attempts, drainer.moved

    def _creation(self, child: Any) -> list[Any]:
        return traits.creation(self._traits(), self._parent, child, self._tablespace)

    def _attachment(self, child: Any, bounds: Any) -> Any:
        return compose(
            "ALTER TABLE {parent} ATTACH PARTITION {child} {bounds}", parent=self._parent, child=child, bounds=bounds
        )

    def _bounds(self, period: Range) -> Any:
        kind = self._found.table.kind
        ends = [
            compose(open_end) if point is None else literal(printed(kind, point))
            for point, open_end in ((period.lower, "MINVALUE"), (period.upper, "MAXVALUE"))
        ]
        return compose("FOR VALUES FROM ({lower}) TO ({upper})", lower=ends[0], upper=ends[1])

    def _identify(self, name: str) -> None:
        """By the partition's index that has now become part of its table's."""
        table = self._found.table
        for row in self._session.fetch(traits.IDENTITY_INDEX, {"oid": table.oid, "schema": table.schema, "name": name}):
            statement = compose(
                "ALTER TABLE {child} REPLICA IDENTITY USING INDEX {index}",
                child=identifier(table.schema, name),
                index=identifier(row["name"]),
            )
            self._session.fetch(statement)

    def _traits(self) -> traits.Traits:
        if self._known is None:
            self._known = traits.read_traits(self._session, self._found.table.oid)
        return self._known
