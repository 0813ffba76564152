# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A cluster's place in each repository: there, of this cluster, and reached by its WAL."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.files import stanza_file
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.program import (
    ARCHIVE_DISABLED,
    FILE_MISSING,
    LOCKED,
    OTHER_CLUSTER,
    PgBackRest,
    PgBackRestFailed,
    installed,
)

# What pgBackRest says of a stanza in a repository: its path, or what is to be in it, is missing.
_MISSING = (1, 3)
# Or it is whole, with backups or without.
_MADE = (0, 2)
_OTHER = 99
ARCHIVE_WAITS = (
    "The server does not archive its WAL yet, because archive_mode waits for a restart: run "
    "runbook.postgres.restart, and then this again to see that WAL arrives."
)
# A store that does not answer is tried several times; why it does not is more than that we stopped waiting.
_PATIENCE, _SECONDS = 15, 240.0
# How often it is asked again while something else is at work.
_TRIES = 3
# A server that failed to archive until now tries again once in a minute.
_ARRIVES = 150


@dataclass(frozen=True)
class Place:
    """What one repository has of the stanza."""

    number: int
    code: int
    message: str
    # Whether any WAL of the cluster that it is for arrived there.
    archives: bool
    # Which one that is, in words.
    cluster: str = ""
    # Whether the servers are another one by now.
    outdated: bool = False


@dataclass(frozen=True)
class StanzaPlan:
    missing: tuple[int, ...]
    # Whether it is still to be seen that WAL arrives.
    prove: bool
    # Whether it is to go on with another cluster than the one that it was made for.
    upgrade: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.missing) or self.upgrade

    @property
    def sentences(self) -> list[str]:
        followed = ["have the stanza follow the cluster that is there now"] if self.upgrade else []
        return [*(f"make the stanza in repository {number}" for number in self.missing), *followed]


def observe(stanza: str, repositories: int, *, check_mode: bool) -> list[Place] | None:
    """None in a dry run where what would answer is still to be made."""
    if check_mode and not (installed() and stanza_file(stanza).exists()):
        return None
    pgbackrest = PgBackRest(stanza, _SECONDS)
    places = read(pgbackrest.json("info", f"--io-timeout={_PATIENCE}"))
    if check_mode and len(places) != repositories:
        return None
    outdated = bool(places) and all(each.code in _MADE for each in places) and _outdated(pgbackrest)
    return [replace(each, outdated=outdated) for each in places]


def _outdated(pgbackrest: PgBackRest) -> bool:
    """Whether the server is another cluster, as far as that can be told: one that is down says nothing of it."""
    code = _compared(pgbackrest)
    for _again in range(_TRIES):
        if code != LOCKED:
            break
        # By what sends WAL for a moment, or by a backup for hours, which itself is refused where it is another one.
        time.sleep(1)
        code = _compared(pgbackrest)
    return code == OTHER_CLUSTER


def _compared(pgbackrest: PgBackRest) -> int | None:
    """Where all are made this makes nothing. On another host pgBackRest alone knows the server's identifier."""
    try:
        pgbackrest.run("stanza-create", f"--io-timeout={_PATIENCE}")
    except PgBackRestFailed as error:
        return error.code
    return 0


def read(info: Sequence[dict[str, Any]]) -> list[Place]:
    """Of pgBackRest's own output for one stanza."""
    if not info:
        return []
    [about] = info
    return [_place(each, about) for each in about.get("repo", [])]


def _place(told: Mapping[str, Any], about: Mapping[str, Any]) -> Place:
    """After an upgrade WAL of the cluster before it lies there as well."""
    number = told["key"]
    databases = [each for each in about.get("db", []) if each.get("repo-key", 1) == number]
    newest: Mapping[str, Any] = max(databases, key=_id, default={})
    archives = any(
        each["database"] == {"id": newest.get("id"), "repo-key": number} and each.get("max")
        for each in about.get("archive", [])
    )
    words = f"PostgreSQL {newest.get('version')} with system identifier {newest.get('system-id')}"
    return Place(number, told["status"]["code"], str(told["status"]["message"]), archives, words if newest else "")


def _id(database: Mapping[str, Any]) -> int:
    return int(database["id"])


def plan(stanza: str, places: Sequence[Place] | None, repositories: int, *, upgrade: bool = False) -> StanzaPlan:
    if places is None:
        return StanzaPlan(tuple(range(1, repositories + 1)), True)
    for place in places:
        if place.code == _OTHER:
            # Its first line: below it may stand what another passphrase made of a file.
            reason = place.message.split("\n", 1)[0].rstrip(".: ")
            raise Refused(
                f"Repository {place.number} cannot be asked for stanza {stanza}: {reason}; look whether it is reached, "
                "and whether its passphrase is the right one."
            )
    outdated = [place for place in places if place.outdated]
    if outdated and not upgrade:
        raise Refused(
            f"Stanza {stanza} is that of another cluster than the server's, of {outdated[0].cluster}, so that no WAL "
            "arrives and no backup is taken: look whether the stanza is the right one; where the cluster was upgraded "
            "or made anew, say upgrade (backup_upgrade of role backup), which keeps the backups of the one before."
        )
    missing = tuple(place.number for place in places if place.code in _MISSING)
    prove = bool(missing or outdated) or not all(place.archives for place in places)
    return StanzaPlan(missing, prove, bool(outdated))


def apply(stanza: str, planned: StanzaPlan, seconds: float) -> list[str]:
    """Make it and see that WAL arrives; what there is to be said about it."""
    pgbackrest = PgBackRest(stanza, seconds)
    if planned.missing:
        _create(pgbackrest, planned.missing)
    if planned.upgrade:
        pgbackrest.run("stanza-upgrade")
    if not planned.prove:
        return []
    try:
        pgbackrest.run("check", f"--archive-timeout={_ARRIVES}")
    except PgBackRestFailed as error:
        if error.code != ARCHIVE_DISABLED:
            raise
        return [ARCHIVE_WAITS]
    return []


def _create(pgbackrest: PgBackRest, missing: Sequence[int]) -> None:
    try:
        pgbackrest.run("stanza-create")
    except PgBackRestFailed as error:
        # One that was killed leaves half of it, which pgBackRest takes for damage.
        cleared = [number for number in missing if error.code == FILE_MISSING and _cleared(pgbackrest, number)]
        if not cleared:
            raise
        pgbackrest.run("stanza-create")


def _cleared(pgbackrest: PgBackRest, number: int) -> bool:
    """Whether there was half a stanza, with neither WAL nor backups in it, which is gone now."""
    repository = f"--repo={number}"
    found = []
    for kind in ("archive", "backup"):
        place = f"{kind}/{pgbackrest.stanza}"
        names = pgbackrest.run("repo-ls", repository, place).split()
        if not set(names) <= {f"{kind}.info", f"{kind}.info.copy"}:
            return False
        found += [f"{place}/{name}" for name in names]
    for path in found:
        pgbackrest.run("repo-rm", repository, path)
    return bool(found)
