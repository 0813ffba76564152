# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Logical backups in a directory: which are there, what is wrong with each, and which of them somebody means.

repository = Repository(Path("/var/backups/postgresql"))
backup = repository.find("latest", database="shop")     # or an id
backup = open_backup(Path("/mnt/copy/shop-all-..."))    # or a path, as a copy that was fetched
problems = backup.damage()                              # reads everything and compares
with backup.content(backup.manifest.dump, identity) as source: ...
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from ansible_collections.runbook.postgres.plugins.module_utils._backup import manifest as manifests
from ansible_collections.runbook.postgres.plugins.module_utils._backup.belonging import Own, nobody, of_one_cluster
from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import (
    LOGICAL,
    Entry,
    Series,
    moment,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.ids import follows, is_id
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import Manifest
from ansible_collections.runbook.postgres.plugins.module_utils._backup.state import NOTHING_KNOWN, State, read_state
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._stream.reading import Hashed, hash_of, opened

LATEST = "latest"


@dataclass(frozen=True)
class Backup:
    """A backup whose manifest is believed."""

    directory: Path
    manifest: Manifest
    state: State = NOTHING_KNOWN

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def dump(self) -> Path:
        return self.directory / self.manifest.dump

    @property
    def globals(self) -> Path | None:
        return None if self.manifest.globals is None else self.directory / self.manifest.globals

    def content(self, path: str, identity: Path | None = None) -> AbstractContextManager[Hashed]:
        """One of its files (manifest.dump, manifest.globals) as pg_dump wrote it, decrypted and unpacked on the way.

        `identity` is the file with age's secret key, and needed where the backup is encrypted.
        """
        if self.manifest.encrypted and identity is None:
            raise Refused(
                f"Backup {self.id} is encrypted and no key was given: name the file with age's secret key (identity)."
            )
        wrapped = self.manifest.wrapped if path == self.manifest.dump else "none"
        return opened(self.directory / path, wrapped, identity if self.manifest.encrypted else None)

    def absences(self) -> list[str]:
        """What is wrong as far as sizes and names tell, without reading."""
        found = []
        for each in self.manifest.files:
            size = _size(self.directory / each.path)
            if size is None:
                found.append(f"Backup {self.id} lacks its file {each.path}: use another backup or a copy of this one.")
            elif size != each.bytes:
                found.append(
                    f"File {each.path} of backup {self.id} has {size} bytes where {each.bytes} were written: "
                    "use another backup or a copy of this one."
                )
        return found

    def damage(self, moved: Callable[[int], None] = lambda _: None) -> list[str]:
        """The same after reading each file whole; `moved` is told the bytes read on the way."""
        found = self.absences()
        for each in self.manifest.files:
            path = self.directory / each.path
            if _size(path) != each.bytes:
                continue
            try:
                same = hash_of(path, moved=moved) == (each.bytes, each.sha256)
            except OSError as error:
                found.append(f"File {each.path} of backup {self.id} cannot be read: {error.strerror}.")
                continue
            if not same:
                found.append(
                    f"File {each.path} of backup {self.id} does not hold what was written, its sha256 differs: "
                    "use another backup or a copy of this one."
                )
        return found

    def entry(self) -> Entry:
        """As the catalogue tells it."""
        told = self.manifest
        problems = self.absences()
        if self.state.failure is not None:
            problems.append(self.state.failure)
        taken = moment(told.started)
        return Entry(
            id=told.id,
            series=series_of(told),
            number=told.number,
            started=taken,
            stopped=moment(told.finished),
            bytes=told.origin.bytes,
            stored_bytes=told.stored_bytes,
            place=str(self.directory),
            lsn_start=told.origin.lsn,
            lsn_stop=told.origin.lsn,
            timeline=told.origin.timeline,
            restorable_from=taken,
            restorable_to=taken,
            server_version=told.origin.server_version,
            copies=self.state.copies,
            encrypted=told.encrypted,
            verified=self.state.verified,
            problems=tuple(problems),
        )


def series_of(told: Manifest) -> Series:
    return Series(LOGICAL, told.content, told.origin.system_identifier, told.origin.database, told.tables, told.label)


def _size(path: Path) -> int | None:
    """Of a file; a link is none, it could lead anywhere."""
    try:
        about = os.lstat(path)
    except OSError:
        return None
    return about.st_size if stat.S_ISREG(about.st_mode) else None


@dataclass(frozen=True)
class Broken:
    """A directory with a backup's name that cannot be believed, and why."""

    directory: Path
    problem: str


@dataclass(frozen=True)
class Repository:
    """A directory with backups in it; one that is not there has none."""

    place: Path

    def backups(self) -> list[Backup]:
        """Those that can be believed, the oldest of each database first."""
        found = [each for each in map(_look, self._names()) if isinstance(each, Backup)]
        return sorted(found, key=lambda each: (each.manifest.number, each.id))

    def next_number(self, database: str, elsewhere: Iterable[Entry] = ()) -> int:
        """Of the next backup of the database: newer than those here, and than copies that another host has sent."""
        here = (each.manifest.number for each in self.backups() if each.manifest.origin.database == database)
        return max((*here, *(each.number for each in elsewhere)), default=0) + 1

    def broken(self) -> list[Broken]:
        return [each for each in map(_look, self._names()) if isinstance(each, Broken)]

    def broken_since(self, name: str) -> list[Broken]:
        """Of the same database and content, and by their names not taken before this one."""
        return [each for each in self.broken() if follows(each.directory.name, name)]

    def find(
        self,
        which: str,
        database: str | None = None,
        content: str | None = None,
        fit: Callable[[Manifest], bool] = lambda _: True,
        own: Own = nobody,
    ) -> Backup:
        """The one with this id, or the latest one (of this database, with this content, and fit).

        One with a problem is refused: an older one in its place would hide that, and is to be asked for by its id.

        Where several clusters share the directory, the latest is that of `own`.
        """
        if which != LATEST:
            if not is_id(which):
                raise Refused(f"'{which}' is no id of a backup: give one that {self.place} has, or latest.")
            if not (self.place / which).is_dir():
                raise Refused(f"There is no backup {which} in {self.place}: look which there are with pg_backup_info.")
            return open_backup(self.place / which)
        fitting = [
            each
            for each in self.backups()
            if database in (None, each.manifest.origin.database)
            and content in (None, each.manifest.content)
            and fit(each.manifest)
        ]
        if len({each.manifest.origin.database for each in fitting}) > 1:
            raise Refused(f"{self.place} holds backups of several databases: say of which one the latest is meant.")
        mine = of_one_cluster([each.manifest for each in fitting], own, str(self.place))
        fitting = [each for each in fitting if each.id in mine]
        whole = [each for each in fitting if each.entry().good]
        if not whole:
            of = "" if database is None else f" of database {database}"
            raise Refused(f"{self.place} holds no backup{of} that is whole: take one, or name another directory.")
        newest, last = (max(each, key=lambda each: each.manifest.number) for each in (fitting, whole))
        wrong = [*newest.entry().problems, *(each.problem for each in self.broken_since(newest.id))]
        if wrong:
            raise Refused(
                f"The latest backup is not whole: {wrong[0].rstrip('.')}. "
                f"The last one that is, of {last.manifest.started}, is taken by its id alone: {last.id}."
            )
        return last

    def _names(self) -> list[Path]:
        try:
            return sorted(each for each in self.place.iterdir() if is_id(each.name) and each.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Refused(
                f"{self.place} cannot be looked into: {error.strerror}; run this as the user that backups belong to."
            ) from error


def open_backup(directory: Path) -> Backup:
    """The backup in this directory, or the sentence that says why it cannot be believed."""
    told = manifests.read(directory)
    named = [told.dump, *([told.globals] if told.globals else []), *(each.path for each in told.files)]
    outside = [each for each in named if Path(each).is_absolute() or ".." in Path(each).parts]
    if outside:
        raise Refused(f"The manifest in {directory} names {outside[0]}, which is no file of the backup.")
    return Backup(directory, told, read_state(directory))


def _look(directory: Path) -> Backup | Broken:
    try:
        found = open_backup(directory)
    except Problem as problem:
        return Broken(directory, problem.sentence)
    if found.id != directory.name:
        return Broken(
            directory, f"{directory} holds backup {found.id}: a backup's directory is named after it, name it so."
        )
    return found
