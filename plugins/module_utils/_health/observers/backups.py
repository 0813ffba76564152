# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read on the host what is known of backups and drills."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.backups import (
    BACKUPS,
    DRILLS,
    STATE_DIRECTORY,
    Backup,
    Drill,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Probe, Seen

_ELSEWHERE = "the module ran on another host than the server: run it on the database host to see what is written there"


def ask_backups(interview: Interview, directory: Path = Path(STATE_DIRECTORY)) -> None:
    """Only a module that runs beside the server sees them; of what is not expected nothing is said where nothing is."""
    for probe, kind, row in ((BACKUPS, "backup", backup), (DRILLS, "drill", drill)):
        if not interview.wants(probe):
            continue
        if interview.server.same_host:
            _read(interview, probe, directory, kind, row)
            if probe is BACKUPS:
                _miss(interview, directory)
        elif probe is BACKUPS:
            # Said once for all that lies in that directory.
            interview.lost(probe.name, None, _ELSEWHERE)


def _read(
    interview: Interview,
    probe: Probe,
    directory: Path,
    kind: str,
    row: Callable[[Mapping[str, Any], datetime], Any],
) -> None:
    now = datetime.now(timezone.utc)
    for path in _files(directory, kind):
        try:
            interview.observed.add(probe, [Seen(None, row(dict(json.loads(path.read_text())), now))])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            interview.lost(
                probe.name, None, f"{path} cannot be read ({error}): look at it, it is written anew each time"
            )


def _miss(interview: Interview, directory: Path) -> None:
    """Of a cluster that was never backed up nobody has written anything down."""
    written = {path.name for path in _files(directory, "backup")}
    now = datetime.now(timezone.utc)
    for stanza in interview.scope.stanzas:
        if f"backup-{stanza}.json" not in written:
            interview.observed.add(BACKUPS, [Seen(None, backup({"cluster": stanza}, now))])


def _files(directory: Path, kind: str) -> Iterator[Path]:
    yield from sorted(directory.glob(f"{kind}-*.json"))


def backup(told: Mapping[str, Any], now: datetime) -> Backup:
    repositories = told.get("repositories", {}).values()
    problems = [str(problem) for each in repositories for problem in each.get("problems", ())]
    return Backup(
        str(told["cluster"]),
        told.get("last_backup_at"),
        age_of(told.get("last_backup_at"), now),
        told.get("last_verified_at"),
        age_of(told.get("last_verified_at"), now),
        told.get("recoverable_from"),
        told.get("recoverable_to"),
        len(problems),
        " ".join(problems),
    )


def drill(told: Mapping[str, Any], now: datetime) -> Drill:
    return Drill(
        str(told["cluster"]),
        told.get("at"),
        bool(told["passed"]),
        told.get("passed_at"),
        age_of(told.get("passed_at"), now),
        told.get("rto_seconds"),
        told.get("rpo_seconds"),
        " ".join(str(each) for each in told.get("faults", ())),
    )


def age_of(at: Any, now: datetime) -> float | None:
    if at is None:
        return None
    # Before 3.11 the letter is not understood.
    return (now - datetime.fromisoformat(str(at).replace("Z", "+00:00"))).total_seconds()
