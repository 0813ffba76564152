# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A backup's copy from elsewhere: fetched beside its place, compared with its manifest, and only then a backup."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.belonging import Own, of_one_cluster
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.far import failure_of
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.preflight import make_destination
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.prove import checksum_progress
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.run import readable_of
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import NAME, Manifest, parse
from ansible_collections.runbook.postgres.plugins.module_utils._backup.place import (
    FETCH,
    alone,
    of_backup,
    partial_directory,
    remove_tree,
    sync,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import LATEST, Backup, open_backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.state import STATE
from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, ProgramFailed, find
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Measured, Progress
from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import PATIENCE, below, far_directories

SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Elsewhere:
    """A copy, and what came of a proof that did not hold."""

    manifest: Manifest
    failure: str | None = None


def wanted(options: Mapping[str, Any], fits: Callable[[Manifest], bool], own: Own) -> Elsewhere:
    """The one that is meant, by the manifests at the far end: each went there last, when the rest was compared."""
    remote, which = options["offsite"], options["backup"]
    found, failures = [], {}
    for name, there in far_directories(remote, NAME, STATE)[0].items():
        with contextlib.suppress(Refused):
            told = parse(there.text, Path(below(remote, name)) / NAME)
            if told.id == name and _meant(told, options, fits):
                found.append(told)
                failures[name] = failure_of(remote, name, there)
    if not found:
        what = "none that fits" if which == LATEST else f"no backup {which}"
        raise Refused(f"{remote} holds {what}: look which there are with rclone lsf {remote}.")
    mine = of_one_cluster(found, own, remote)
    # By its number: a clock that was wrong once does not make a copy the latest for ever.
    last = max((each for each in found if each.id in mine), key=lambda each: (each.number, each.started))
    return Elsewhere(last, failures[last.id])


def _meant(told: Manifest, options: Mapping[str, Any], fits: Callable[[Manifest], bool]) -> bool:
    if options["backup"] != LATEST:
        return bool(told.id == options["backup"])
    return options["database"] in (None, told.origin.database) and fits(told)


def whole(directory: Path) -> Backup | None:
    """What was fetched or never left; one that is damaged here is what a copy elsewhere is for."""
    if not directory.is_dir():
        return None
    try:
        found = open_backup(directory)
    except Problem:
        return None
    return None if found.damage() else found


def fetched(remote: str, told: Manifest, repository: Path) -> Backup:
    """There as a whole and compared, or not at all; who backs up the database meanwhile would clear it away.

    One that is there already is damaged, and kept under another name.
    """
    _refuse_too_full(told, repository)
    make_destination(repository, (-1, -1))
    database, place = told.origin.database, repository / told.id
    with alone(repository, readable_of(database), f"database {database}"):
        if whole(place) is None:
            with of_backup(repository, told.id, FETCH, told.content, database) as progress:
                _fetch(below(remote, told.id), partial_directory(repository, told.id), place, told, progress)
    return open_backup(place)


def _fetch(far: str, partial: Path, place: Path, told: Manifest, progress: Progress) -> None:
    remove_tree(partial)
    partial.mkdir(mode=0o700)
    try:
        argv = [find("rclone", "rclone"), "copy", *PATIENCE, far, str(partial)]
        _copied(argv, partial, told, progress)
        backup = open_backup(partial)
        damage = backup.damage(checksum_progress(progress, backup))
        if damage:
            raise Refused(f"The copy in {far} is damaged: {' '.join(damage)}")
        for path in (*partial.rglob("*"), partial):
            path.chmod(0o700 if path.is_dir() else 0o600)
            sync(path)
        if place.is_dir():
            place.rename(_aside(place))
        partial.rename(place)
        sync(place.parent)
    except (ProgramFailed, OSError) as error:
        reason = error.sentence if isinstance(error, Problem) else str(error.strerror)
        raise Refused(f"{far} could not be fetched to {place.parent}: {reason}") from error
    finally:
        remove_tree(partial)


def _aside(place: Path) -> Path:
    """No name of a backup, so that nobody takes it for one."""
    number, aside = 1, place.with_name(f"{place.name}.damaged")
    while aside.exists():
        number += 1
        aside = place.with_name(f"{place.name}.damaged-{number}")
    return aside


def _copied(argv: list[str], partial: Path, told: Manifest, progress: Progress) -> None:
    def measure() -> Measured:
        with contextlib.suppress(OSError):
            return float(sum(each.stat().st_size for each in partial.rglob("*") if each.is_file())), told.stored_bytes
        return None, None

    with Path(os.devnull).open("wb") as nothing:
        program = Program(argv, stdout=nothing.fileno())
        try:
            program.finish(SECONDS, progress.watch(FETCH, measure))
        finally:
            program.end()


def _refuse_too_full(told: Manifest, repository: Path) -> None:
    place = next(each for each in (repository, *repository.parents) if each.exists())
    about = os.statvfs(place)
    free = about.f_bavail * about.f_frsize
    if free < told.stored_bytes:
        raise Refused(
            f"{repository} has {free / (1 << 20):,.0f} MiB left and the backup takes "
            f"{told.stored_bytes / (1 << 20):,.0f} MiB: make room, or give another repository."
        )
