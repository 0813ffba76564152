# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From the files and the server as they are to what has to be done: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._files import File, FileChange, changed
from ansible_collections.runbook.postgres.plugins.module_utils._hba.judge import warnings
from ansible_collections.runbook.postgres.plugins.module_utils._hba.render import hba_text, ident_text, without_secrets
from ansible_collections.runbook.postgres.plugins.module_utils._hba.rules import Line, MapLine
from ansible_collections.runbook.postgres.plugins.module_utils._hba.server import CLOSED, RUNNING, Server

FILES = ("pg_hba.conf", "pg_ident.conf")


@dataclass(frozen=True)
class Wish:
    """The rules and maps that should be in force."""

    lines: tuple[Line, ...]
    maps: tuple[MapLine, ...]
    version: int

    def files(self, directory: Path) -> tuple[File, ...]:
        texts = (hba_text(self.lines, self.version), ident_text(self.maps, self.version))
        # As Debian makes them.
        return tuple(
            File(directory / name, text.encode(), "postgres", "postgres", 0o640) for name, text in zip(FILES, texts)
        )


@dataclass(frozen=True)
class Observed:
    """What is there. `kept` are the files that were in force before a run that did not come to its end."""

    directory: Path
    files: tuple[File | None, ...]
    written: float
    kept: tuple[File, ...]
    server: Server


@dataclass(frozen=True)
class HbaPlan:
    """The files to write, whether the server has to load them, and what is to be said."""

    changes: tuple[FileChange, ...] = ()
    reload: bool = False
    # An earlier run's copies that have served their time.
    tidy: bool = False
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.changes) or self.reload or self.tidy

    @property
    def sentences(self) -> list[str]:
        told = [change.sentence for change in self.changes]
        told += ["remove what an earlier run kept"] if self.tidy else []
        return told + (["reload the server"] if self.reload else [])

    def diff(self) -> list[dict[str, Any]]:
        told = [_without_secrets(each) for change in self.changes for each in change.diff()]
        if self.reload and not self.changes:
            names = dict.fromkeys(("before_header", "after_header"), "rules in force")
            told.append({"before": "older ones\n", "after": f"those of {' and '.join(FILES)}\n", **names})
        return told


def plan_rules(wish: Wish, found: Observed) -> HbaPlan:
    wanted = wish.files(found.directory)
    changes = tuple(
        change for new, old in zip(wanted, found.files) for change in [changed(new, old)] if change is not None
    )
    if not changes and found.server.faults:
        return HbaPlan(refusals=(faulty(found.server, "the server goes on with the rules it has"),))
    up = found.server.state in (RUNNING, CLOSED)
    return HbaPlan(
        changes=changes,
        reload=up and (bool(changes) or bool(found.kept) or not in_force(found)),
        tidy=bool(found.kept) and not up,
        warnings=tuple(warnings(wish.lines)),
    )


def in_force(found: Observed) -> bool:
    """Whether the server loaded its rules after the files became what they are."""
    return found.server.state == RUNNING and found.server.loaded >= found.written


def faulty(server: Server, outcome: str) -> str:
    told = "; ".join(fault.words for fault in server.faults)
    return f"The server cannot read {told}; {outcome}: correct the rule."


def _without_secrets(told: dict[str, Any]) -> dict[str, Any]:
    before, after = told["before"], told["after"]
    if isinstance(before, str):
        before, after = without_secrets(before, after)
        return {**told, "before": before, "after": after}
    return told


def reported(plan: HbaPlan, found: Observed) -> dict[str, Any]:
    paths: Sequence[str] = [str(found.directory / name) for name in FILES]
    return {
        "changed": plan.changed,
        "diff": plan.diff(),
        "changes": plan.sentences,
        "reload": plan.reload,
        "hba_file": paths[0],
        "ident_file": paths[1],
        "server": found.server.state,
        **({"warnings": list(plan.warnings)} if plan.warnings else {}),
    }
