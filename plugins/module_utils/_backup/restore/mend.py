# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A restore from beginning to end: everything checked first, then the steps, then what became of them."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.observe import system_identifier
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.prove import checksum_progress
from ansible_collections.runbook.postgres.plugins.module_utils._backup.place import hold as hold_backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import expiring, source
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.alone import hold
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.loading import Archive
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.observe import observe
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.apply import PartRestorer
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.observe import observe_part
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.plan import plan_part
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.plan import plan_database
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.safety import back_up
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.watch import of_restore
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.whole import Outcome, Restorer, Server
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.wish import read_wish
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Progress


def _hold(owner: Restore, directory: Path) -> None:
    """The backup stays where it is for as long as there is this restore."""
    descriptor = hold_backup(directory)
    if descriptor is not None:
        weakref.finalize(owner, os.close, descriptor)


class Restore:
    """One backup and its target: what was found, what is to be done, and what became of it."""

    def __init__(
        self, options: Mapping[str, Any], server: Server, copy: Callable[[str], CopyConnection], *, alone: bool
    ) -> None:
        """Nothing is changed here. alone: no other run may restore into this target until this one has ended."""
        self._server, self._copy = server, copy

        # A dry run fetches nothing, and cannot say more of a copy that is elsewhere than its manifest does.
        def own() -> str | None:
            given: str | None = options["system_identifier"]
            return given or system_identifier(server.session)

        backup = source.chosen(options, own, fetch=False)
        if alone and not source.is_here(backup):
            # As a dry run does: what its manifest tells is refused before anybody waits for hours for the copy.
            self._consider(options, backup, alone=False)
            backup = source.chosen({**options, "backup": backup.id}, own, fetch=True)
        self._consider(options, backup, alone=alone)
        if self._plan.changed and self._here:
            with self._archive.progress as progress:
                source.examine(backup, self._identity, checksum_progress(progress, backup))
        self._restorer: Restorer | PartRestorer | None = None

    def _consider(self, options: Mapping[str, Any], backup: Backup, *, alone: bool) -> None:
        """The plan by what there is of it; what speaks against that is raised."""
        session = self._server.session
        self._here = source.is_here(backup)
        if alone and self._here:
            _hold(self, backup.directory)
        self._identity = source.key_for(backup, options["identity"])
        self._wish = read_wish(options, backup.manifest.origin.database)
        progress = self._progress(options, backup) if alone else Progress(None)
        self._archive = Archive(backup, self._identity, session.major, progress, float(options["timeout"]))
        self._globals = source.globals_text(backup, self._identity) if self._here else ""
        if alone:
            hold(session, self._wish.target)
        self._now = datetime.now(timezone.utc)
        self._lines: list[str] = []
        self._plan: Plan = self._with_retention(self._planned())
        if self._plan.refusals:
            raise Refused(" ".join(self._plan.refusals))
        expiring.refuse_while_another_backs_up(self._plan)

    def _progress(self, options: Mapping[str, Any], backup: Backup) -> Progress:
        where = Path(options["repository"]) if options["repository"] else backup.directory.parent
        return of_restore(where, backup.manifest, self._wish.target, system_identifier(self._server.session))

    def _planned(self) -> Plan:
        server, wish, told = self._server, self._wish, self._archive.backup.manifest
        place = told.origin.tablespace if wish.keep_tablespaces else "pg_default"
        named = source.roles_of(self._globals) if self._here else frozenset(told.origin.roles)
        self._scene = observe(server.session, server.connect, wish.target, place, server.parameters, named)
        if wish.part is None:
            return plan_database(wish, told, self._scene, self._now)
        self._lines = source.contents(self._archive) if self._here else []
        part = observe_part(server.session, server.connect, wish, self._scene, self._lines)
        return plan_part(wish, told, self._scene, part, self._now)

    def _with_retention(self, plan: Plan) -> Plan:
        wish, cluster = self._wish, self._scene.system_identifier
        if plan.refusals or wish.safety is None:
            return plan
        there = expiring.kept_for_safety(wish.safety, wish.target, cluster)
        kept = expiring.Kept(wish.safety, wish.target, cluster, wish.safety_retention, there)
        return expiring.with_retention(plan, kept, self._archive.backup.id, self._now)

    def carry_out(self) -> None:
        server, archive, wish, scene = self._server, self._archive, self._wish, self._scene
        take = back_up(server, archive.backup)
        if wish.part is None:
            self._restorer = Restorer(server, archive, wish, scene, self._globals, take)
        else:
            self._restorer = PartRestorer(server, self._copy, archive, wish, scene, self._lines, self._globals, take)
        with archive.progress:
            self._restorer.carry_out(self._plan.changes, self._now)

    def result(self) -> dict[str, Any]:
        """The same shape in check mode, where no steps were taken."""
        outcome = Outcome() if self._restorer is None else self._restorer.outcome
        odd = [*self._plan.warnings, *outcome.warnings]
        warnings = {"warnings": odd} if odd else {}
        return {
            "changed": self._plan.changed if self._restorer is None else bool(outcome.done),
            "backup": self._archive.backup.id,
            "target": self._wish.target,
            "kept": outcome.kept,
            "kept_out_seconds": outcome.kept_out,
            "safety_backup": outcome.safety,
            "checks": outcome.checks,
            "steps": outcome.done,
            "plan": [step.sentence for step in self._plan.changes],
            "diff": self._plan.diff(self._wish.target),
            **warnings,
        }
