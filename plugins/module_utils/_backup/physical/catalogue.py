# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""pgBackRest's own list of backups, as entries of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import PHYSICAL, Entry, Series, Verified
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.wal import Wal
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.archive import Archive
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.program import PgBackRest

# What pgBackRest says of a stanza in a repository: its path, or what is to be in it, is missing.
_MISSING, _OTHER = (1, 3), 99
PAGES = "Pages of the cluster did not match their checksums when it was taken."


@dataclass(frozen=True)
class Remembered:
    """What earlier runs found out about a backup, which pgBackRest does not keep."""

    verified: Verified | None = None
    problems: tuple[str, ...] = ()
    # What a drill found wrong with it, which stands until one restores it.
    drill: str | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        return self.problems if self.drill is None else (*self.problems, self.drill)


@dataclass(frozen=True)
class Listed:
    """One stanza in one repository."""

    stanza: str
    repository: int
    entries: tuple[Entry, ...]
    # Why it could not be asked, or what is wrong with it as a whole.
    problems: tuple[str, ...] = ()
    system_identifier: str | None = None
    archive: Mapping[str, Archive] = field(default_factory=dict)
    # Of each backup the archive with its WAL and the first segment that it needs. Old versions tell of no position.
    firsts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    # Segments that are there and damaged, by archive; it lacks them.
    damaged: frozenset[str] = frozenset()
    # Why nothing is known of the WAL there.
    unseen: str | None = None
    # What the last full one takes.
    full_bytes: int | None = None
    # What pgBackRest says of a backup that runs now.
    lock: Mapping[str, Any] = field(default_factory=dict)

    @property
    def current(self) -> tuple[Entry, ...]:
        """Those of the cluster that there is now, and not of the one before an upgrade."""
        return tuple(each for each in self.entries if each.series.system_identifier == self.system_identifier)


def observe(pgbackrest: PgBackRest, repository: int, remembered: Mapping[str, Remembered], wal: Wal) -> Listed:
    """Asks pgBackRest for the backups and for the WAL that lies there."""
    info = pgbackrest.json("info", f"--repo={repository}")
    about = info[0] if info else {}
    archive = wal.look(about)
    found = listed(pgbackrest.stanza, repository, about, archive, remembered, wal.damaged)
    return replace(found, unseen=wal.trouble)


def listed(
    stanza: str,
    repository: int,
    about: Mapping[str, Any],
    archive: Mapping[str, Archive],
    remembered: Mapping[str, Remembered],
    damaged: frozenset[str] = frozenset(),
) -> Listed:
    problems = tuple(
        f"Repository {repository}: {_reason(each)}; {_next(each)}."
        for each in about.get("repo", [])
        if each["key"] == repository and each["status"]["code"] not in (0, 2)
    )
    databases = {each["id"]: each for each in about.get("db", []) if each.get("repo-key", 1) == repository}
    encrypted = about.get("cipher", "none") != "none"
    entries, firsts = [], {}
    for each in about.get("backup", []):
        if each["database"].get("repo-key", 1) == repository:
            database = databases.get(each["database"]["id"], {})
            name = f"{database.get('version')}-{each['database']['id']}"
            reach = _reach(repository, each, archive.get(name), _of(name, damaged))
            firsts[each["label"]] = (name, each["archive"]["start"] or "")
            known = remembered.get(each["label"], Remembered())
            entries.append(_entry(stanza, repository, each, database, reach, known, encrypted))
    current = max(databases, default=None)
    identifier = None if current is None else str(databases[current]["system-id"])
    told = tuple(_with_broken_bases(entries))
    lock = about.get("status", {}).get("lock", {}).get("backup", {})
    full = _full_bytes(about, repository)
    return Listed(stanza, repository, told, problems, identifier, archive, firsts, damaged, full_bytes=full, lock=lock)


def _full_bytes(about: Mapping[str, Any], repository: int) -> int | None:
    here = [each for each in about.get("backup", []) if each["database"].get("repo-key", 1) == repository]
    full = [each for each in here if each["type"] == "full"]
    last = max(full, key=lambda each: int(each["timestamp"]["stop"]), default=None)
    return None if last is None else last["info"]["repository"].get("delta")


def _reason(told: Mapping[str, Any]) -> str:
    """The first line of it: below may stand what another passphrase made of a file."""
    return str(told["status"]["message"]).split("\n", 1)[0].rstrip(".: ")


def _next(told: Mapping[str, Any]) -> str:
    code = told["status"]["code"]
    if code in _MISSING:
        return "have role backup make the stanza"
    if code == _OTHER:
        return "look whether the repository is reached, and whether its passphrase is the right one"
    return "look at pgbackrest info on this host"


def _entry(
    stanza: str,
    repository: int,
    told: Mapping[str, Any],
    database: Mapping[str, Any],
    reach: tuple[datetime, tuple[str, ...]],
    known: Remembered,
    encrypted: bool,
) -> Entry:
    started, stopped = (_time(told, name) for name in ("start", "stop"))
    until, problems = reach
    if told.get("error") and not known.problems:
        problems = (*problems, PAGES)
    identifier = database.get("system-id")
    return Entry(
        id=told["label"],
        series=Series(PHYSICAL, told["type"], None if identifier is None else str(identifier), label=stanza),
        number=told["timestamp"]["start"],
        started=started,
        stopped=stopped,
        bytes=told["info"]["size"],
        stored_bytes=told["info"]["repository"].get("delta", 0),
        place=f"repository {repository}",
        lsn_start=(told.get("lsn") or {}).get("start"),
        lsn_stop=(told.get("lsn") or {}).get("stop"),
        timeline=int(told["archive"]["start"][:8], 16) if told["archive"]["start"] else None,
        restorable_from=stopped,
        restorable_to=until,
        server_version=str(database.get("version", "")),
        depends_on=tuple(told.get("reference") or ()),
        encrypted=encrypted,
        verified=known.verified,
        problems=(*known.sentences, *problems),
    )


def _time(told: Mapping[str, Any], which: str) -> datetime:
    return datetime.fromtimestamp(told["timestamp"][which], timezone.utc)


def _of(archive: str, damaged: frozenset[str]) -> frozenset[str]:
    """The segments of that archive."""
    return frozenset(each.rpartition("/")[2] for each in damaged if each.startswith(f"{archive}/"))


def _reach(
    repository: int, told: Mapping[str, Any], archive: Archive | None, damaged: frozenset[str]
) -> tuple[datetime, tuple[str, ...]]:
    """To when it can be brought, and what is wrong with the WAL that takes it there."""
    first, needed, stopped = told["archive"]["start"], told["archive"]["stop"], _time(told, "stop")
    torn = min((each for each in damaged if first and first <= each <= needed), default=None)
    if torn is not None:
        return stopped, (
            f"WAL segment {torn}, which it needs to be restored at all, is damaged in repository {repository}.",
        )
    if archive is None or not first:
        return stopped, ()
    last, missing = archive.reach(first)
    if last is None or last.number < archive.number(needed):
        lost = missing or archive.name(last.number + 1 if last else archive.number(first), int(first[:8], 16))
        return stopped, (
            f"WAL segment {lost}, which it needs to be restored at all, is not in repository {repository}.",
        )
    # Before a gap it can still be restored to, so one later is no fault of the backup; gaps() tells of it.
    return max(stopped, last.arrived), ()


def gaps(found: Listed) -> tuple[str, ...]:
    """WAL that is missing between what a backup needs and the latest, or that nobody could look for: sentences."""
    told: dict[str, str] = {"": found.unseen} if found.unseen else {}
    for each in found.entries:
        name, first = found.firsts[each.id]
        archive = found.archive.get(name)
        if archive is None or not first:
            continue
        last, missing = archive.reach(first)
        # Where WAL goes on with that of a backup, retention has taken what was before it.
        retained = missing is not None and archive.goes_on(missing) in _beginnings(found, name, archive)
        if missing is not None and last is not None and not retained:
            damaged = missing in _of(name, found.damaged)
            look = "at the disk that it is on" if damaged else "whether archive-push-queue-max threw WAL away"
            told[missing] = (
                f"WAL segment {missing} is {'damaged' if damaged else 'missing'} in repository {found.repository}, "
                f"so that backup {each.id} can be restored to about {last.arrived:%Y-%m-%d %H:%M:%S} UTC and no "
                f"further: take a new full backup, and look {look}."
            )
    return tuple(told.values())


def _beginnings(found: Listed, name: str, archive: Archive) -> set[int | None]:
    return {archive.number(first) for where, first in found.firsts.values() if where == name and first}


def _with_broken_bases(entries: Sequence[Entry]) -> list[Entry]:
    """What stands on a backup that has a problem has one."""
    broken = {each.id for each in entries if each.problems}
    told = []
    for each in entries:
        more = tuple(f"It needs backup {base}, which has a problem." for base in each.depends_on if base in broken)
        told.append(replace(each, problems=(*each.problems, *more)))
    return told
