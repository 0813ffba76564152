# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What pg_backup_info tells: backups of every method by one set of keys, what cannot be believed, what is under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Entry
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Backup, Repository
from ansible_collections.runbook.postgres.plugins.module_utils._progress import told_in


@dataclass(frozen=True)
class Listing:
    entries: Sequence[Entry] = ()
    broken: Sequence[Mapping[str, str]] = ()
    running: Sequence[Mapping[str, Any]] = ()


def logical(place: Path, *, checksum: bool) -> Listing:
    """Those in a directory; with `checksum` each file is read and compared."""
    repository = Repository(place)
    return Listing(
        [_entry(each, checksum) for each in repository.backups()],
        [{"path": str(each.directory), "problem": each.problem} for each in repository.broken()],
        told_in(place),
    )


def _entry(backup: Backup, checksum: bool) -> Entry:
    entry = backup.entry()
    if checksum:
        known = set(entry.problems)
        entry = replace(entry, problems=(*entry.problems, *(each for each in backup.damage() if each not in known)))
    return entry


def joined(one: Listing, other: Listing) -> Listing:
    return Listing([*one.entries, *other.entries], [*one.broken, *other.broken], [*one.running, *other.running])


def told(listing: Listing, database: str | None) -> dict[str, Any]:
    """The newest first; a backup of no database in particular is of every one."""
    mine = [each for each in listing.entries if database is None or each.series.database in (None, database)]
    newest = sorted(mine, key=lambda each: (each.started, each.number), reverse=True)
    return {
        "backups": [each.told() for each in newest],
        "broken": [dict(each) for each in listing.broken],
        "running": [dict(each) for each in listing.running],
    }
