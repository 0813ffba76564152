# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Carries out what was planned, step by step, and remembers what was done for whoever has to be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._backup import manifest as manifests
from ansible_collections.runbook.postgres.plugins.module_utils._backup import place
from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Copy
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical import steps
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.far import tell
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.prove import Prover
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.request import Wanted
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.take import Taken, Taking
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Backup, open_backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.state import read_state, write_state
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import (
    NotOffsite,
    remove_far,
    tree_copied,
)


@dataclass
class Apply:
    wanted: Wanted
    taking: Taking
    prover: Prover
    session: Session
    readable: str
    taken: Taken | None = None
    done: list[Any] = field(default_factory=list)
    # What the far end did not take or give up, a sentence each.
    undone: list[str] = field(default_factory=list)

    def carry_out(self, plan: Plan) -> None:
        ways: Mapping[type, Callable[[Any], None]] = {
            steps.Clear: self._clear,
            steps.Drop: self._drop,
            steps.Take: self._take,
            steps.Verify: self._verify,
            steps.Send: self._send,
            steps.Forget: self._forget,
            steps.Remove: self._remove,
            steps.ClearFar: self._clear_far,
            steps.RemoveFar: self._remove_far,
        }
        unsent = False
        for step in plan.changes:
            if unsent and isinstance(step, steps.RemoveFar) and not step.anyway:
                continue
            try:
                ways[type(step)](step)
            except NotOffsite as error:
                # Told at the end: the far end keeps nobody from a backup here, nor from making room.
                if not isinstance(step, steps.FAR_STEPS):
                    raise
                self.undone.append(error.sentence)
                unsent = unsent or isinstance(step, steps.Send)
            else:
                self.done.append(step)

    def backup(self, name: str) -> Backup:
        if name == steps.NEW:
            if self.taken is None:
                raise RuntimeError("no backup was taken yet")
            name = self.taken.backup.id
        return open_backup(self.wanted.destination / name)

    def _clear(self, _step: steps.Clear) -> None:
        place.clear(self.wanted.destination, self.readable)

    def _drop(self, step: steps.Drop) -> None:
        self.prover.clear(step.name)

    def _take(self, _step: steps.Take) -> None:
        self.taken = self.taking.take(self.session)

    def _verify(self, step: steps.Verify) -> None:
        backup = self.backup(step.id)
        try:
            self.prover.prove(backup, step.level)
        except Problem as error:
            if step.id != steps.NEW:
                raise
            sentence = error.sentence.rstrip(".")
            raise Problem(f"Backup {backup.id} was taken, and is not verified by {step.level}: {sentence}.") from error

    def _send(self, step: steps.Send) -> None:
        backup = self.backup(step.id)
        sizes = {each.path: each.bytes for each in backup.manifest.files}
        manifest = (backup.directory / manifests.NAME).stat().st_size
        sums = {each.path: each.sha256 for each in backup.manifest.files}
        how = tree_copied(backup.directory, {**sizes, manifests.NAME: manifest}, sums, manifests.NAME, step.remote)
        state = read_state(backup.directory)
        # What was said of it while it did not hold.
        tell(step.remote, backup.id, state)
        others = tuple(each for each in state.copies if each.place != step.remote)
        copy = Copy(step.remote, how, datetime.now(timezone.utc).replace(microsecond=0))
        write_state(backup.directory, replace(state, copies=(*others, copy)))

    def _remove(self, step: steps.Remove) -> None:
        place.remove_backup(self.wanted.destination / step.id)

    def _clear_far(self, step: steps.ClearFar) -> None:
        remove_far(step.remote, step.id, manifests.NAME)

    def _remove_far(self, step: steps.RemoveFar) -> None:
        remove_far(step.remote, step.id, manifests.NAME)
        if (self.wanted.destination / step.id).is_dir():
            self._forget(step)

    def _forget(self, step: steps.Forget | steps.RemoveFar) -> None:
        directory = self.wanted.destination / step.id
        state = read_state(directory)
        write_state(directory, replace(state, copies=tuple(each for each in state.copies if each.place != step.remote)))


def removed(done: Sequence[Any]) -> list[dict[str, str]]:
    told = []
    for step in done:
        if isinstance(step, steps.Remove):
            told.append({"id": step.id, "why": step.why, "place": ""})
        elif isinstance(step, steps.RemoveFar):
            told.append({"id": step.id, "why": step.why, "place": step.remote})
    return told
