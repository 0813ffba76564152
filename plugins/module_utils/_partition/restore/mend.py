# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A restore from beginning to end: everything checked first, then the steps, then what became of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.alone import hold
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import Found
from ansible_collections.runbook.postgres.plugins.module_utils._partition.restore.apply import Restorer
from ansible_collections.runbook.postgres.plugins.module_utils._partition.restore.observe import Given, observe
from ansible_collections.runbook.postgres.plugins.module_utils._partition.restore.plan import plan_restore
from ansible_collections.runbook.postgres.plugins.module_utils._patience import Patience
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session


class Restore:
    """One archive and its table: what was found, what is to be done, and what became of it."""

    def __init__(self, session: Session, given: Given, table: str | None, *, alone: bool) -> None:
        """Nothing is changed here. alone: no other run may look after this table until this one has ended."""
        self._session, self._given = session, given
        found, scene = observe(session, given, table)
        if alone:
            hold(session, found.table.oid, found.table.title)
            found, scene = observe(session, given, table)
        self._found: Found = found
        self._plan: Plan = plan_restore(scene, given.manifest, given.file)
        if self._plan.refusals:
            raise Refused(" ".join(self._plan.refusals))
        self._restorer: Restorer | None = None

    def carry_out(self, patience: Patience, connect: Callable[[], CopyConnection]) -> None:
        self._restorer = Restorer(self._session, self._found, self._given, patience, connect)
        for step in self._plan.changes:
            self._restorer.take(step)

    def result(self) -> dict[str, Any]:
        """The same shape in check mode, where no steps were taken."""
        told = self._given.manifest
        warnings = {"warnings": list(self._plan.warnings)} if self._plan.warnings else {}
        return {
            "changed": self._plan.changed if self._restorer is None else bool(self._restorer.done),
            "table": self._found.table.title,
            "partition": told.partition,
            "file": str(self._given.file),
            "rows": told.rows,
            "bytes": told.bytes,
            "sha256": told.sha256,
            "steps": [] if self._restorer is None else self._restorer.done,
            "diff": self._plan.diff(self._found.table.title),
            **warnings,
        }
