# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A node's certificate, its authorities and, if it comes from elsewhere, its key: installed and reloaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._files import FileChange, changed, observe, put
from ansible_collections.runbook.postgres.plugins.module_utils._tls.key import (
    AUTHORITIES,
    CERTIFICATE,
    KEY,
    Place,
)

# There for as long as programs may still have the files of before.
PENDING = ".not-loaded"

_SECONDS = 60.0


@dataclass(frozen=True)
class FilesPlan:
    """The files to write, and the units that have to load them."""

    changes: tuple[FileChange, ...]
    # Units that run now and have, or may have, older files loaded.
    reload: tuple[str, ...]
    pending: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.changes) or self.pending

    @property
    def sentences(self) -> list[str]:
        return [change.sentence for change in self.changes] + [f"reload {unit}" for unit in self.reload]


def plan_files(place: Place, options: Mapping[str, Any], *, foreseen: bool) -> FilesPlan:
    """`foreseen` is a certificate that is not signed yet, in check mode."""
    wanted = [
        (AUTHORITIES, options["authorities"], 0o644),
        (CERTIFICATE, options["certificate"], 0o644),
        (KEY, options["key"], 0o600),
    ]
    changes = []
    for name, text, mode in wanted:
        secret = name == KEY
        if text is None and not (foreseen and not secret):
            continue
        content = "(made by the run)\n" if text is None else f"{text.strip()}\n"
        file = place.file(name, content.encode(), mode, secret=secret)
        change = changed(file, observe(file.path, secret=secret))
        if change is not None:
            changes.append(change)
    pending = observe(place.directory / PENDING) is not None
    running = tuple(unit for unit in options["units"] if changes or pending if _runs(unit))
    return FilesPlan(tuple(changes), running, pending)


def _runs(unit: str) -> bool:
    try:
        run(["systemctl", "is-active", "--quiet", unit], _SECONDS)
    except ProgramFailed:
        return False
    return True


def carry_out(plan: FilesPlan, place: Place) -> None:
    """Killed anywhere, the next run finds the mark and reloads."""
    if not plan.changed:
        return
    if not place.owner_exists:
        raise Refused(f"This host has no user {place.owner} yet: install the packages that bring it first.")
    place.make()
    mark = place.file(PENDING, b"Programs may still use older files than those beside this one.\n", 0o644)
    put(mark, mark.path)
    for change in plan.changes:
        change.apply()
    for unit in plan.reload:
        _reload(unit, place)
    put(None, mark.path)


def _reload(unit: str, place: Place) -> None:
    try:
        run(["systemctl", "reload", unit], _SECONDS)
    except ProgramFailed as error:
        raise Problem(
            f"{unit} could not reload the files in {place.directory} ({error.words or error.sentence.rstrip('.')}): "
            "look at its log; the next run tries again."
        ) from error


def reported(plan: FilesPlan) -> dict[str, Any]:
    told: Sequence[dict[str, Any]] = [each for change in plan.changes for each in change.diff()]
    if plan.pending and not plan.changes:
        what = ", ".join(plan.reload) or "nothing that runs"
        told = [{"before": "older files\n", "after": "these files\n", "before_header": what, "after_header": what}]
    return {"changed": plan.changed, "diff": list(told), "changes": plan.sentences, "reloaded": list(plan.reload)}
