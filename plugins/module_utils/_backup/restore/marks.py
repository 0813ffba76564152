# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a restore writes into comments, so that the next run and a person who lists databases know: pure.

A note is a line of its own; what the owner wrote stays above it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

_OURS = "runbook.postgres: "
_RESTORING = f"{_OURS}restoring "
_RESTORED = f"{_OURS}restored from "
_KEPT = f"{_OURS}kept, was "

LOADING, CHECKED = "loading", "checked"


@dataclass(frozen=True)
class Journal:
    """Stands on what is being restored: enough to finish it, or to undo what was done around it."""

    backup: str
    target: str
    state: str = LOADING
    # The limit that the target had before its sessions were kept out; None while it is open.
    limit: int | None = None
    # Whether the target takes no connections at all, for the moment in which names change.
    closed: bool = False
    safety: str | None = None

    @property
    def keeps_out(self) -> bool:
        return self.closed or self.limit is not None


def without_notes(comment: str | None) -> str | None:
    """What the owner wrote."""
    lines = [line for line in (comment or "").split("\n") if not line.startswith(_OURS)]
    return "\n".join(lines) or None


def restoring(journal: Journal) -> str:
    return _RESTORING + json.dumps(asdict(journal), ensure_ascii=False)


def journal(comment: str | None) -> Journal | None:
    """Read back; None for anything that no restore of ours wrote."""
    if comment is None or not comment.startswith(_RESTORING):
        return None
    try:
        told = json.loads(comment[len(_RESTORING) :])
        return Journal(**told)
    except (ValueError, TypeError):
        return None


def finished(comment: str | None, backup: str) -> Journal | None:
    """Of a run that restored this backup and checked it: all that is left is the change of names."""
    found = journal(comment)
    return found if found is not None and (found.backup, found.state) == (backup, CHECKED) else None


def restored(comment: str | None, backup: str, now: datetime) -> str:
    return _noted(comment, f"{_RESTORED}{backup} at {now:%Y-%m-%d %H:%M:%S} UTC")


def restored_from(comment: str | None) -> str | None:
    """The backup's id, for what a restore made."""
    for line in (comment or "").split("\n"):
        if line.startswith(_RESTORED):
            return line[len(_RESTORED) :].split(" at ")[0]
    return None


def kept(comment: str | None, target: str, backup: str, now: datetime) -> str:
    quoted = json.dumps(target, ensure_ascii=False)
    return _noted(comment, f"{_KEPT}{quoted} until {now:%Y-%m-%d %H:%M:%S} UTC, when {backup} took its place")


def was(comment: str | None) -> str | None:
    """Whose name this had, for what a restore moved aside."""
    for line in (comment or "").split("\n"):
        if line.startswith(_KEPT):
            try:
                return str(json.JSONDecoder().raw_decode(line[len(_KEPT) :])[0])
            except ValueError:
                return None
    return None


def _noted(comment: str | None, note: str) -> str:
    said = without_notes(comment)
    return note if said is None else f"{said}\n{note}"
