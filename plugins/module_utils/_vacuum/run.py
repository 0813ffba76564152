# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One table after the other, so that nobody waits for more than one, and what is done is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import (
    Problem,
    QueryFailed,
    TookTooLong,
    Unreachable,
)
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier
from ansible_collections.runbook.postgres.plugins.module_utils._vacuum.plan import Task
from ansible_collections.runbook.postgres.plugins.module_utils._vacuum.request import Wish

# Whoever waits longer than deadlock_timeout for a table makes autovacuum give it up.
LOCK_TIMEOUT = """
SELECT set_config('lock_timeout', greatest(1, least(500, setting::int / 2))::text, false),
       set_config('vacuum_cost_delay', coalesce(%(delay)s::text, current_setting('vacuum_cost_delay')), false)
  FROM pg_settings WHERE name = 'deadlock_timeout'
"""

# The largest table takes its hours; what ends it is not this.
LONGEST_SECONDS = 7 * 86400.0
# Before 15 a server counts what was done with a delay of up to half a second.
COUNTED_SECONDS, COUNTS_AT_ONCE = 1.0, 15


@dataclass
class Run:
    """What was done, what was left, and what failed."""

    connect: Callable[[str], Session]
    wish: Wish
    done: dict[int, float] = field(default_factory=dict)
    left: list[dict[str, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def carry_out(self, plan: Plan) -> None:
        """In the order of the plan; a database's session stays open until another one's turn."""
        started = time.monotonic()
        session: Session | None = None
        database = None
        try:
            for number, task in enumerate(plan.changes):
                limit = self.wish.max_seconds
                if limit is not None and time.monotonic() - started >= limit:
                    self._leave(task, f"max_seconds ({limit:g}) were over")
                    continue
                if session is None or database != task.table.database:
                    if session is not None:
                        session.__exit__(None, None, None)
                    database = task.table.database
                    session = self._opened(database)
                self._do(session, number, task)
        finally:
            if session is not None:
                session.__exit__(None, None, None)
                if session.major < COUNTS_AT_ONCE and self.done:
                    time.sleep(COUNTED_SECONDS)

    def _opened(self, database: str) -> Session:
        session = self.connect(database)
        session.limit(LONGEST_SECONDS)
        session.fetch(LOCK_TIMEOUT, {"delay": self.wish.cost_delay})
        return session

    def _do(self, session: Session, number: int, task: Task) -> None:
        began = time.monotonic()
        try:
            session.fetch(statement(task, self.wish))
        except TookTooLong:
            self._leave(task, "another session holds a lock on it")
        except QueryFailed as error:
            self._leave(task, error.sentence)
            self.failures.append(f"{task.table.title} of {task.table.database}: {error.sentence}")
        except Unreachable as error:
            raise Problem(f"{error.sentence} It was at {task.table.title}; run this again.") from error
        else:
            self.done[number] = round(time.monotonic() - began, 3)

    def _leave(self, task: Task, reason: str) -> None:
        self.left.append({"database": task.table.database, "table": task.table.title, "reason": reason})


def statement(task: Task, wish: Wish) -> Any:
    table = identifier(task.table.schema, task.table.name)
    if not task.vacuum:
        return compose("ANALYZE {table}", table=table)
    options = f"ANALYZE {str(task.analyze).lower()}, TRUNCATE {str(wish.truncate).lower()}"
    return compose(f"VACUUM ({options}) {{table}}", table=table)


def result(plan: Plan, run: Run, *, check_mode: bool) -> dict[str, Any]:
    told = [
        {
            "database": task.table.database,
            "table": task.table.title,
            "vacuumed": task.vacuum,
            "analyzed": task.analyze,
            "seconds": run.done.get(number),
        }
        for number, task in enumerate(plan.changes)
        if check_mode or number in run.done
    ]
    return {
        "changed": bool(told),
        "tables": told,
        "left": run.left,
        "finished": not run.left and not (check_mode and told),
        "diff": [plan.diff("tables")] if plan.changed else [],
        "warnings": list(plan.warnings),
    }
