# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What runs of ours found out about physical backups and pgBackRest does not keep, for the next run and for others.

The file holds no secret and everybody may read it: a monitoring agent learns from it how old the last backup is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Entry, Verified, moment, written
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.catalogue import (
    Listed,
    Remembered,
    gaps,
)
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._files import File, changed, observe
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.drilled import drilled
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.files import numbers

DIRECTORY = Path("/var/lib/runbook-postgres")
LAYOUT = 1


def path(stanza: str) -> Path:
    return DIRECTORY / f"backup-{stanza}.json"


def load(stanza: str, repository: int) -> dict[str, Remembered]:
    """By the backups' names; nothing where nothing was written yet."""
    document = _document(stanza)
    backups = document.get("repositories", {}).get(str(repository), {}).get("backups", {})
    known = {name: Remembered(_verified(each), tuple(each.get("problems", ()))) for name, each in backups.items()}
    for (where, name), drill in drilled(stanza, DIRECTORY).items():
        found = known.get(name, Remembered())
        if where != repository:
            continue
        if drill.why is not None:
            known[name] = replace(found, verified=None, drill=drill.sentence)
        # What was found wrong since is not outweighed by an older proof.
        elif not found.problems:
            known[name] = replace(found, verified=Verified("restore", drill.at))
    return known


def damaged_wal(stanza: str, repository: int) -> frozenset[str]:
    """Segments that the last proof of the repository found damaged."""
    return frozenset(_document(stanza).get("repositories", {}).get(str(repository), {}).get("damaged_wal", ()))


def _verified(told: Mapping[str, Any]) -> Verified | None:
    found = told.get("verified")
    return None if found is None else Verified(found["level"], moment(found["at"]))


def _document(stanza: str) -> dict[str, Any]:
    found = observe(path(stanza))
    if found is None:
        return {}
    try:
        document: dict[str, Any] = json.loads(found.content)
    except ValueError:
        raise Refused(f"{path(stanza)} is no JSON any more: move it away, and backups are verified anew.") from None
    return document


def save(found: Listed, remembered: Mapping[str, Remembered], now: datetime) -> None:
    """What is known of this repository's backups now; those that are gone are forgotten."""
    known = {each.id for each in found.entries}
    backups = {
        name: {
            "verified": each.verified and {"level": each.verified.level, "at": written(each.verified.at)},
            "problems": list(each.problems),
        }
        for name, each in sorted(remembered.items())
        if name in known
    }
    document = _document(found.stanza)
    # What lies in one that is no more brings nothing back.
    told_of = {str(each) for each in numbers(found.stanza)}
    before = document.get("repositories", {})
    repositories = {number: each for number, each in before.items() if number in told_of or not told_of}
    known_wal = {"damaged_wal": sorted(found.damaged)}
    repositories[str(found.repository)] = {"backups": backups, **known_wal, **_summary(found)}
    document = {
        "layout": LAYOUT,
        "cluster": found.stanza,
        "written": written(now),
        **_newest(list(repositories.values())),
        "repositories": repositories,
    }
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    try:
        DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"{DIRECTORY} cannot be made: {error.strerror}; look what is in its place.") from error
    change = changed(File(path(found.stanza), text.encode(), mode=0o644), observe(path(found.stanza)))
    if change is not None:
        change.apply()


def _newest(repositories: list[dict[str, Any]]) -> dict[str, str | None]:
    """Of all repositories together, as the health report reads it; the times are in UTC and compare as text."""
    backups = [each["last_backup"]["stopped"] for each in repositories if each["last_backup"]]
    proofs = [each["last_verified"]["verified"]["at"] for each in repositories if each["last_verified"]]
    return {
        "last_backup_at": max(backups, default=None),
        "last_verified_at": max(proofs, default=None),
        "recoverable_from": min(
            (each["restorable_from"] for each in repositories if each["restorable_from"]), default=None
        ),
        "recoverable_to": max((each["restorable_to"] for each in repositories if each["restorable_to"]), default=None),
    }


def _summary(found: Listed) -> dict[str, Any]:
    good = [each for each in found.current if each.good]
    verified = [each for each in good if each.verified is not None]
    return {
        "last_backup": _told(good[-1:]),
        "last_verified": _told(verified[-1:]),
        "restorable_from": written(good[0].restorable_from) if good else None,
        "restorable_to": written(max(each.restorable_to for each in good)) if good else None,
        "problems": [
            *gaps(found),
            *(f"Backup {each.id}: {problem}" for each in found.entries for problem in each.problems),
        ],
    }


def _told(entries: list[Entry]) -> dict[str, Any] | None:
    if not entries:
        return None
    [entry] = entries
    told = entry.told()
    return {name: told[name] for name in ("id", "kind", "stopped", "verified")}
