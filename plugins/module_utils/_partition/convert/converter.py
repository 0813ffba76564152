# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Take the steps of a conversion, each so that it is done, not begun, or gone on with by the next run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, QueryFailed, TookTooLong
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert import journal
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.copying import Copier
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.envelop import Enveloper
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.exchange import Exchanger
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.finish import Finisher
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import CHECK, hidden
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.steps import (
    Begin,
    Build,
    Clear,
    Compare,
    ConvertStep,
    Envelop,
    Exchange,
    Finish,
    Lay,
    Prove,
    Transfer,
)
from ansible_collections.runbook.postgres.plugins.module_utils._patience import Patience
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier

# To prove, build, copy and compare may take long, and nobody waits meanwhile.
_LONG_SECONDS = 14 * 86_400.0


class NotConverted(Problem):
    """A step failed for what the server said about it."""


@dataclass
class Taken:
    step: ConvertStep
    seconds: float
    attempts: int
    rows: int = 0


class Converter:
    def __init__(self, session: Session, lock_seconds: float, retries: int, batch: int) -> None:
        self._session = session
        self._patience = Patience(lock_seconds, retries)
        # For steps that may take long because nobody waits for them.
        self._leisure = Patience(lock_seconds, retries)
        self._enveloper = Enveloper(session, self._patience.milliseconds)
        self._copier = Copier(session, batch)
        self._exchanger = Exchanger(session, lock_seconds, retries)
        self.done: list[Taken] = []

    @property
    def longest_attempt_seconds(self) -> float:
        """Of the change itself, for which others wait."""
        return self._patience.longest_attempt_seconds

    @property
    def compared(self) -> int | None:
        return self._exchanger.compared

    @property
    def exchanged(self) -> bool:
        """Whether the table is a partitioned one now."""
        return any(isinstance(each.step, (Envelop, Exchange)) for each in self.done)

    def take_all(self, steps: Sequence[ConvertStep]) -> None:
        self._session.limit(_LONG_SECONDS)
        for step in steps:
            self._take(step)

    def _take(self, step: ConvertStep) -> None:
        ways: dict[type, Callable[[Any], Any]] = {
            Clear: self._clear,
            Prove: self._enveloper.prove,
            Build: self._enveloper.build,
            Envelop: self._enveloper.envelop,
            Begin: self._copier.begin,
            Lay: self._copier.lay,
            Transfer: self._copier.transfer,
            Compare: self._exchanger.compare,
            Exchange: self._exchanger.exchange,
            Finish: self._finish,
        }
        started, rows = time.monotonic(), [0]
        patience = self._patience if isinstance(step, (Envelop, Exchange)) else self._leisure

        def act() -> None:
            rows[0] += ways[type(step)](step) or 0

        try:
            attempts = patience.tried(step.sentence, act)
        except TookTooLong:
            raise
        except QueryFailed as error:
            raise NotConverted(f"Could not {step.sentence}: {error.sentence}.") from error
        self.done.append(Taken(step, time.monotonic() - started, attempts, rows[0]))

    def _clear(self, step: Clear) -> None:
        scene = step.scene
        table = identifier(scene.schema, scene.name)
        statements = []
        if step.copy:
            statements += list(journal.removed(scene, table))
            copy = identifier(scene.schema, hidden(scene.oid))
            statements.append(compose("DROP TABLE IF EXISTS {copy}", copy=copy))
        if step.check:
            drop = "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}"
            statements.append(compose(drop, table=table, check=identifier(CHECK)))
        if statements:
            self._session.together(statements)
        for name in step.indexes:
            index = identifier(scene.schema, name)
            self._session.fetch(compose("DROP INDEX CONCURRENTLY IF EXISTS {index}", index=index))

    def _finish(self, step: Finish) -> None:
        Finisher(self._session, lambda act: self._once_more(step, act)).finish(step.schema, step.name)

    def _once_more(self, step: Finish, act: Callable[[], None]) -> None:
        self._leisure.tried(step.sentence, act)
