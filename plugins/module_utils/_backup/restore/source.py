# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which backup is meant, and whether it can be relied on: read whole and compared before anything is changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.belonging import Own
from ansible_collections.runbook.postgres.plugins.module_utils._backup.fitting import Asked
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import Manifest
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import (
    LATEST,
    Backup,
    Repository,
    open_backup,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import fetching
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import globals as roles
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.loading import Archive
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, find
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._stream.reading import Unreadable


def chosen(options: Mapping[str, Any], own: Own, *, fetch: bool) -> Backup:
    """Without `fetch`, what is elsewhere is known by its manifest alone."""
    backup = _named_or_latest(options, own, fetch=fetch)
    wanted, found = options["system_identifier"], backup.manifest.origin.system_identifier
    if wanted not in (None, found):
        raise Refused(
            f"Backup {backup.id} is of the cluster with system identifier {found or 'unknown'}, and {wanted} is meant "
            "(system_identifier): look whether it is the right one."
        )
    return backup


def _named_or_latest(options: Mapping[str, Any], own: Own, *, fetch: bool) -> Backup:
    which = options["backup"]
    if options["offsite"]:
        return _from_elsewhere(options, own, fetch=fetch)
    if which.startswith("/"):
        return open_backup(Path(which))
    if not options["repository"]:
        raise Refused("Give repository, the directory that backups are in, or the path of one as backup.")
    return Repository(Path(options["repository"])).find(which, options["database"], fit=fit(options), own=own)


def _from_elsewhere(options: Mapping[str, Any], own: Own, *, fetch: bool) -> Backup:
    if not options["repository"] or options["backup"].startswith("/"):
        raise Refused("With offsite give latest or an id as backup, and repository, where the copy is fetched to.")
    there = fetching.wanted(options, fit(options), own)
    told, repository = there.manifest, Path(options["repository"])
    here = fetching.whole(repository / told.id)
    # What lies here has been proven last, if either was.
    failure = there.failure if here is None else here.state.failure
    if options["backup"] == LATEST and failure is not None:
        raise Refused(f"The latest backup is not whole: {failure} It, or another one, is taken by its id alone.")
    if here is not None:
        return here
    if fetch:
        return fetching.fetched(options["offsite"], told, repository)
    # Not the place of one that is here and damaged.
    return Backup(repository / f"{told.id}.elsewhere", told)


def is_here(backup: Backup) -> bool:
    return backup.directory.is_dir()


def fit(options: Mapping[str, Any]) -> Callable[[Manifest], bool]:
    """What can be the latest."""
    asked = Asked(options["tables"] or (), options["schemas"] or ())
    return lambda told: asked.fits(told.content, told.tables, told.label)


def key_for(backup: Backup, option: str | None) -> Path | None:
    if not backup.manifest.encrypted:
        return None
    find("age", "age")
    if option is None:
        raise Refused(
            f"Backup {backup.id} is encrypted: give identity, the file with the secret key of one of its recipients."
        )
    if not os.access(option, os.R_OK) or not Path(option).is_file():
        raise Refused(f"identity {option} cannot be read by user {os.geteuid()}.")
    return Path(option)


def examine(backup: Backup, identity: Path | None, moved: Callable[[int], None] = lambda _: None) -> None:
    """Every file is what its manifest says, and the key fits; `moved` is told the bytes read on the way."""
    damage = backup.damage(moved)
    if damage:
        raise Refused(" ".join(damage))
    if backup.dump.is_dir():
        return
    try:
        # The beginning is enough to know.
        with backup.content(backup.manifest.dump, identity) as content:
            if not content.read(1):
                content.finish()
    except (ProgramFailed, Unreadable, OSError) as error:
        reason = error.sentence if isinstance(error, Problem) else str(error)
        raise Refused(f"Backup {backup.id} cannot be read: {reason.rstrip('.')}.") from error


def globals_text(backup: Backup, identity: Path | None) -> str:
    """What pg_dumpall said of the roles; small, and it holds hashed passwords."""
    if backup.manifest.globals is None:
        return ""
    try:
        with backup.content(backup.manifest.globals, identity) as content:
            parts = list(iter(lambda: content.read(1 << 16), b""))
            content.finish()
    except (ProgramFailed, Unreadable, OSError) as error:
        # Which file is damaged says more than what comes of it.
        examine(backup, identity)
        reason = error.sentence if isinstance(error, Problem) else str(error)
        raise Refused(f"The roles of backup {backup.id} cannot be read: {reason.rstrip('.')}.") from error
    return b"".join(parts).decode(errors="replace")


def contents(archive: Archive) -> list[str]:
    """What pg_restore lists; nothing for a dump that is no archive."""
    if not archive.selectable:
        return []
    try:
        return archive.listed()
    except (ProgramFailed, Unreadable) as error:
        # Which file is damaged says more than what pg_restore makes of it.
        examine(archive.backup, archive.identity)
        raise Refused(f"Backup {archive.backup.id} cannot be listed: {error.sentence.rstrip('.')}.") from error


def roles_of(text: str) -> frozenset[str]:
    return roles.roles_in(text)
