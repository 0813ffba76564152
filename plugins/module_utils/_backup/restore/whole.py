# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Take the steps of a whole database's restore; killed anywhere, the next run finishes or begins again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup import properties, subscriptions
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import (
    checks,
    expiring,
    marks,
    naming,
    plan,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import globals as roles
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.databases import Databases
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.loading import Archive
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.observe import holds_nothing
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.scene import Scene
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.swap import Words, swap
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.wish import Wish
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

# Take the backup that comes first; returns its id.
BackUp = Callable[[plan.SafetyBackup], str]


class NotRestored(Problem):
    """The backup did not get its place; what had it still has it."""


@dataclass
class Server:
    """One session in another database than the target, and the way to more."""

    session: Session
    connect: Callable[[str], Session]
    parameters: Mapping[str, Any]


@dataclass
class Outcome:
    done: list[dict[str, Any]] = field(default_factory=list)
    checks: dict[str, Any] = field(default_factory=dict)
    safety: str | None = None
    kept: str | None = None
    # For how long sessions were kept out of what was replaced; None where nothing was.
    kept_out: float | None = None
    warnings: list[str] = field(default_factory=list)


class Restorer:
    def __init__(
        self, server: Server, archive: Archive, wish: Wish, scene: Scene, globals_text: str, back_up: BackUp
    ) -> None:
        self._server, self._archive, self._wish, self._scene = server, archive, wish, scene
        self._globals, self._back_up = globals_text, back_up
        self._databases = Databases(server.session)
        self._before = scene.database(wish.target)
        self._beside = naming.beside(wish.target)
        # What an earlier run did around the target is this one's to undo, whatever becomes of it.
        left = scene.database(self._beside)
        earlier = None if left is None else marks.finished(left.comment, archive.backup.id)
        self._journal = earlier or marks.Journal(archive.backup.id, wish.target)
        self._made: str | None = None
        self._closed_at: float | None = None
        self._swapped = False
        self.outcome = Outcome(safety=self._journal.safety)

    def carry_out(self, steps: tuple[Any, ...], now: datetime) -> None:
        ways: dict[type, Callable[[Any], None]] = {
            plan.Reopen: self._reopen,
            plan.Discard: self._discard,
            plan.MakeRoles: self._make_roles,
            plan.SafetyBackup: self._safety,
            plan.KeepOut: self._keep_out,
            plan.Make: self._make,
            plan.Load: self._load,
            plan.Check: self._check,
            plan.Swap: lambda step: self._swap(step, now),
            expiring.Expire: expiring.expire,
        }
        # Only what takes the target's place is to be on a standby that commits wait for, and all before it then is.
        self._server.session.fetch("SET synchronous_commit = local")
        for step in steps:
            started = time.monotonic()
            try:
                ways[type(step)](step)
            except expiring.Later as later:
                self.outcome.warnings.append(later.sentence)
                continue
            except BaseException as error:
                undone = self._undo(step)
                if isinstance(error, (QueryFailed, Problem)):
                    raise NotRestored(self._told(step, error, undone)) from error
                raise
            self.outcome.done.append({"step": step.sentence, "seconds": round(time.monotonic() - started, 3)})

    def _told(self, step: Any, error: Problem, undone: bool) -> str:
        if self._swapped:
            now = "is restored all the same"
        elif undone:
            now = "is as it was"
        else:
            now = "keeps sessions out until this is run again, which opens it or finishes"
        return f"Could not {step.sentence}: {error.sentence.rstrip('.')}; {self._wish.target} {now}."

    def _undo(self, step: Any) -> bool:
        """Who was kept out may come in again, and then what was half made goes; a kill leaves both to the next run.

        Whether the target is as it was. What made us give up matters more than what is in the way of tidying up.
        """
        if self._swapped or isinstance(step, (plan.Reopen, plan.Discard, expiring.Expire)):
            return not isinstance(step, plan.Reopen)
        try:
            if self._journal.keeps_out:
                self._let_in()
        except Problem:
            return False
        made = step.database if isinstance(step, plan.Check) else self._made
        if made is not None and not isinstance(step, plan.Swap):
            with contextlib.suppress(Problem):
                self._drop(made)
        return True

    def _let_in(self) -> None:
        """The note goes with what it is about, and not before."""
        opened = replace(self._journal, closed=False, limit=None)
        with self._server.session.transaction():
            if self._journal.closed:
                self._databases.allow(self._wish.target, True)
            if self._journal.limit is not None:
                self._databases.limit(self._wish.target, self._journal.limit)
            self._databases.note(self._beside, opened)
        self._journal = opened

    def _reopen(self, step: plan.Reopen) -> None:
        self._databases.allow(step.target, True)
        if step.limit is not None:
            self._databases.limit(step.target, step.limit)
            if self._before is not None:
                # As it was before anybody was kept out.
                self._before = replace(self._before, limit=step.limit)

    def _discard(self, step: plan.Discard) -> None:
        if step.if_empty and not self._is_empty(step.database):
            self.outcome.warnings.append(
                f"Something was written to {self._wish.target} in the moment before it was replaced, "
                f"and it is kept as {step.database}: look what it is."
            )
            return
        self._drop(step.database)
        if step.database == self.outcome.kept:
            self.outcome.kept = None

    def _drop(self, name: str) -> None:
        if name == self._beside:
            # As a run left it that was killed while it loaded.
            self._forget_subscriptions()
        self._databases.drop(name)

    def _forget_subscriptions(self) -> None:
        subscriptions.forget(self._server.session, self._server.connect, self._beside)

    def _is_empty(self, name: str) -> bool:
        with self._server.connect(name) as session:
            return holds_nothing(session)

    def _make_roles(self, step: plan.MakeRoles) -> None:
        found = roles.statements(self._globals, set(step.roles), self._scene.roles)
        with self._server.session.transaction():
            for statement in found:
                self._server.session.fetch(statement)

    def _safety(self, step: plan.SafetyBackup) -> None:
        self.outcome.safety = self._back_up(step)
        self._journal = replace(self._journal, safety=self.outcome.safety)

    def _keep_out(self, step: plan.KeepOut) -> None:
        self._closed_at = time.monotonic()
        if self._journal.limit is None:
            self._journal = replace(self._journal, limit=-1 if self._before is None else self._before.limit)
        with self._server.session.transaction():
            self._databases.note(self._beside, self._journal)
            self._databases.limit(step.database, 0)
        self._databases.end_all_but_superusers(step.database)

    def _make(self, step: plan.Make) -> None:
        origin = self._archive.backup.manifest.origin
        keep = self._wish.keep_tablespaces and origin.tablespace != "pg_default"
        self._databases.make(step.database, origin, origin.tablespace if keep else None)
        self._made = step.database
        with self._server.session.transaction():
            self._databases.hide(step.database)
            self._databases.hurry(step.database, True)
            self._databases.note(step.database, self._journal)

    def _load(self, step: plan.Load) -> None:
        options = ("--no-subscriptions", *(() if self._wish.keep_tablespaces else ("--no-tablespaces",)))
        self._archive.load(self._server.parameters, step.database, self._wish.jobs, options, self._server.session)
        # A plain dump brings them all the same.
        self._forget_subscriptions()
        self._archive.analyze(self._server.parameters, step.database, self._wish.jobs)
        self._furnish(step.database)

    def _furnish(self, name: str) -> None:
        """What belongs to the database itself: as the one has it whose place it takes, or had it that was backed up."""
        wanted = self._properties()
        owner = self._archive.backup.manifest.origin.owner
        known = self._scene.roles | self._scene.globals_roles
        with self._server.session.transaction():
            self._databases.hurry(name, False)
            for statement in properties.statements(name, wanted, owner, known):
                self._server.session.fetch(statement)

    def _properties(self) -> properties.Properties:
        if self._before is not None:
            return properties.read(self._server.session, self._wish.target)
        return self._archive.backup.manifest.origin.properties or properties.USUAL

    def _check(self, step: plan.Check) -> None:
        wanted, told = self._wish.checks, self.outcome.checks
        # Closed by a run that was killed while names changed.
        self._databases.allow(step.database, True)
        self._archive.progress.tick("check")
        rows = self._archive.backup.manifest.rows
        with self._server.connect(step.database) as session:
            if wanted.rows and rows is not None:
                told["rows"] = checks.count(session, rows)
            told.update(checks.whole(session))
            if wanted.amcheck:
                told["amcheck"] = checks.structure(session)
            if wanted.queries:
                told["queries"] = checks.ask(session, wanted.queries)
        self.outcome.warnings += checks.unfinished(told)
        self._journal = replace(self._journal, state=marks.CHECKED)
        self._databases.note(step.database, self._journal)

    def _swap(self, step: plan.Swap, now: datetime) -> None:
        wanted = self._properties()
        before = self._before
        if before is not None and before.empty and not self._wish.replace and not self._is_empty(before.name):
            raise NotRestored(
                f"{before.name} was empty and is so no more: look who writes to it, "
                "and give replace: true to have it replaced and kept all the same."
            )
        if self._before is not None:
            self._journal = replace(self._journal, closed=True)
        limit = wanted.limit if self._journal.limit is None else self._journal.limit
        closed_at = self._closed_at or time.monotonic()
        self._server.session.fetch("RESET synchronous_commit")
        swap(self._server.session, step, self._journal, self._before, Words(limit, wanted.comment, now))
        self._swapped = True
        self.outcome.kept = step.kept
        if before is not None:
            self.outcome.kept_out = round(time.monotonic() - closed_at, 3)
