# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Take the steps that restore a part of a database; killed anywhere, the next run drops what is half made."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import Rows
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import (
    checks,
    expiring,
    marks,
    naming,
    plan,
    tools,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import globals as roles
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.databases import Databases
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.loading import Archive
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts import plan as parts
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts import staging
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.look import Found, look
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.place import put_in_place
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.scene import Scene
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.whole import (
    BackUp,
    NotRestored,
    Outcome,
    Server,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.wish import Wish
from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._session import compose, identifier


class PartRestorer:
    def __init__(
        self,
        server: Server,
        copy: Callable[[str], CopyConnection],
        archive: Archive,
        wish: Wish,
        scene: Scene,
        lines: Sequence[str],
        globals_text: str,
        back_up: BackUp,
    ) -> None:
        self._server, self._copy, self._archive, self._wish = server, copy, archive, wish
        self._scene, self._lines, self._globals, self._back_up = scene, lines, globals_text, back_up
        self._databases = Databases(server.session)
        self._scratch = naming.scratch(wish.target)
        self._found: Found | None = None
        self._counted: dict[tuple[str, str], int] = {}
        self._placed = False
        self._kept: list[str] = []
        self.outcome = Outcome()

    def carry_out(self, steps: tuple[Any, ...], now: datetime) -> None:
        ways: dict[type, Callable[[Any], None]] = {
            plan.Discard: lambda step: self._databases.drop(step.database),
            plan.MakeRoles: self._make_roles,
            plan.SafetyBackup: self._safety,
            parts.DropStaged: self._drop_staged,
            parts.Define: self._define,
            parts.Fill: self._fill,
            parts.CheckPart: lambda _: self._check(),
            parts.PutInPlace: lambda step: self._place(step, now),
            expiring.Expire: expiring.expire,
        }
        for step in steps:
            started = time.monotonic()
            try:
                ways[type(step)](step)
            except expiring.Later as later:
                self.outcome.warnings.append(later.sentence)
                continue
            except BaseException as error:
                self._undo()
                if isinstance(error, Problem):
                    end = "is as it was" if not self._placed else "has what was restored all the same"
                    raise NotRestored(
                        f"Could not {step.sentence}: {error.sentence.rstrip('.')}; {self._wish.target} {end}."
                    ) from error
                raise
            self.outcome.done.append({"step": step.sentence, "seconds": round(time.monotonic() - started, 3)})

    def _undo(self) -> None:
        # What made us give up matters more than what is in the way of tidying up, which the next run does.
        with contextlib.suppress(Problem):
            self._databases.drop(self._scratch)
            for schema in () if self._placed else self._schemas():
                self._drop(schema)

    def _known(self) -> Found:
        """What was filled before it is checked and put in place."""
        if self._found is None:
            raise NotRestored("Nothing was filled that could be checked.")
        return self._found

    def _schemas(self) -> list[str]:
        units = () if self._found is None else {each.unit.schema for each in self._found.tables}
        return [naming.staging(each) for each in units]

    def _drop_staged(self, step: parts.DropStaged) -> None:
        self._drop(step.schema)
        self._kept = [each for each in self._kept if each != step.schema]
        self.outcome.kept = ", ".join(self._kept) or None

    def _drop(self, schema: str) -> None:
        with self._server.connect(self._wish.target) as session:
            session.fetch(compose("DROP SCHEMA IF EXISTS {name} CASCADE", name=identifier(schema)))

    def _make_roles(self, step: plan.MakeRoles) -> None:
        found = roles.statements(self._globals, set(step.roles), self._scene.roles)
        with self._server.session.transaction():
            for statement in found:
                self._server.session.fetch(statement)

    def _safety(self, step: plan.SafetyBackup) -> None:
        self.outcome.safety = self._back_up(step)

    def _define(self, step: parts.Define) -> None:
        self._databases.make(step.database, self._archive.backup.manifest.origin, None)
        with self._server.session.transaction():
            self._databases.hide(step.database)
            self._databases.note(step.database, marks.Journal(step.backup, self._wish.target))
        server = self._server
        staging.define(self._archive, server.parameters, server.connect, self._wish.target, step.database, self._lines)

    def _fill(self, step: parts.Fill) -> None:
        server, target = self._server, self._wish.target
        carrier = staging.Carrier(self._archive, server.parameters, target, step.units)
        journal = marks.Journal(self._archive.backup.id, target)
        with server.connect(self._scratch) as scratch, tools.in_memory() as held:
            found = look(scratch, step.units)
            values = staging.continue_sequences(
                self._archive, scratch, server.parameters, found, self._lines, self._scratch
            )
            staging.arrange(scratch, step.units, found, journal)
            carrier.dump(self._scratch, held)
            self._found = found
            carrier.make(held, "pre-data", "--single-transaction")
            self._counted = staging.fill(self._archive, found, self._lines, lambda: self._copy(target))
            self._archive.progress.tick("indexes")
            carrier.make(held, "post-data", f"--jobs={self._wish.jobs}")
        with server.connect(target) as session:
            session.limit(checks.CHECK_SECONDS)
            staging.set_sequences(session, values)
            staging.refresh(session, self._schemas())
            for table in found.tables:
                place = identifier(naming.staging(table.unit.schema), staging.name_of(table))
                session.fetch(compose("ANALYZE {place}", place=place))

    def _check(self) -> None:
        found = self._known()
        self._archive.progress.tick("check")
        wanted, told = self._wish.checks, self.outcome.checks
        rows = self._archive.backup.manifest.rows
        known = {(each.schema, each.table): each.rows for each in rows or ()}
        mine = {(each.schema, each.name): each for each in found.tables}
        with self._server.connect(self._wish.target) as session:
            if wanted.rows:
                expected = [
                    Rows(naming.staging(mine[name].unit.schema), staging.name_of(mine[name]), known.get(name, count))
                    for name, count in self._counted.items()
                ]
                told["rows"] = checks.count(session, expected)
            told.update(checks.whole(session, self._schemas()))
            if wanted.amcheck:
                told["amcheck"] = checks.structure(session, self._schemas())
        self.outcome.warnings += checks.unfinished(told)

    def _place(self, step: parts.PutInPlace, now: datetime) -> None:
        found = self._known()
        with self._server.connect(self._wish.target) as session:
            told = put_in_place(session, step, found, self._archive.backup.id, self._wish.checks.queries, now)
        self._placed = True
        if told:
            self.outcome.checks["queries"] = told
        self._kept = [pair[1] for pair in step.kept]
        self.outcome.kept = ", ".join(self._kept) or None
