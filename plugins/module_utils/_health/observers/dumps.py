# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Look at dumps where they lie: those are asked about that there have to be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.backups import DUMPS, Dump
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.backups import age_of
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Seen
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import WantedDumps

# The label of what a restore puts aside before it replaces something, which is no schedule's.
_SAFETY = "safety"


@dataclass(frozen=True)
class _Found:
    """A whole dump of a database, or why what may be one cannot be told."""

    name: str
    number: int = 0
    at: str | None = None
    verified_at: str | None = None
    problem: str | None = None


def ask_dumps(interview: Interview) -> None:
    if not interview.wants(DUMPS) or not interview.server.same_host:
        return
    for wanted in interview.scope.dumps:
        # They lie where they are taken, which after a failover is another host.
        if wanted.on not in ("any", interview.server.role):
            continue
        try:
            row = dump(wanted, list(_found(wanted)), datetime.now(timezone.utc))
        except OSError as error:
            interview.lost(
                DUMPS.name,
                None,
                f"{wanted.directory} cannot be looked into ({error.strerror}): run this as who the backups belong to",
            )
        else:
            interview.observed.add(DUMPS, [Seen(None, row)])


def dump(wanted: WantedDumps, found: list[_Found], now: datetime) -> Dump:
    """What counts as a backup is what nothing is known against."""
    whole = [each for each in found if each.problem is None]
    newest = max(whole, key=lambda each: each.number, default=None)
    at = None if newest is None else newest.at
    verified_at = max((each.verified_at for each in whole if each.verified_at is not None), default=None)
    problems = [each.problem for each in found if each.problem is not None]
    return Dump(
        wanted.database,
        wanted.directory,
        at,
        age_of(at, now),
        verified_at,
        age_of(verified_at, now),
        len(problems),
        " ".join(problems),
    )


def _found(wanted: WantedDumps) -> Iterator[_Found]:
    try:
        directories = sorted(Path(wanted.directory).iterdir())
    except FileNotFoundError:
        return
    for directory in directories:
        # What is being written, or was left behind, begins with a dot.
        if not directory.name.startswith(".") and (directory / "manifest.json").exists():
            found = _read(directory, wanted.database)
            if found is not None:
                yield found


def _read(directory: Path, database: str) -> _Found | None:
    """Nothing of one that is of another database, or not of all of it."""
    try:
        told: dict[str, Any] = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
        if told["origin"]["database"] != database or told["content"] != "all" or told["tables"]:
            return None
        if told["label"] == _SAFETY:
            return None
        number, at = int(told["number"]), str(told["finished"])
        known = _known(directory)
        if known.get("failure"):
            return _Found(directory.name, problem=f"Backup {directory.name}: {known['failure']}")
        return _Found(directory.name, number, at, max(known.get("proofs", {}).values(), default=None))
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return _Found(directory.name, problem=f"{directory} cannot be read as a backup ({type(error).__name__}).")


def _known(directory: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((directory / "verified.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
