# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A cluster's place in each repository: there, of this cluster, and reached by its WAL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.files import stanza_file
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.program import (
    ARCHIVE_DISABLED,
    FILE_MISSING,
    PgBackRest,
    PgBackRestFailed,
    installed,
)

# What pgBackRest says of a stanza in a repository: its path, or what is to be in it, is missing.
_MISSING = (1, 3)
_OTHER = 99
ARCHIVE_WAITS = (
    "The server does not archive its WAL yet, because archive_mode waits for a restart: run "
    "runbook.postgres.restart, and then this again to see that WAL arrives."
)
# A store that does not answer is tried several times; why it does not is more than that we stopped waiting.
_PATIENCE, _SECONDS = 15, 240.0
# A server that failed to archive until now tries again once in a minute.
_ARRIVES = 150


@dataclass(frozen=True)
class Place:
    """What one repository has of the stanza."""

    number: int
    code: int
    message: str
    # Whether any WAL arrived there.
    archives: bool


@dataclass(frozen=True)
class StanzaPlan:
    missing: tuple[int, ...]
    # Whether it is still to be seen that WAL arrives.
    prove: bool

    @property
    def changed(self) -> bool:
        return bool(self.missing)

    @property
    def sentences(self) -> list[str]:
        return [f"make the stanza in repository {number}" for number in self.missing]


def observe(stanza: str, repositories: int, *, check_mode: bool) -> list[Place] | None:
    """None in a dry run where what would answer is still to be made."""
    if check_mode and not (installed() and stanza_file(stanza).exists()):
        return None
    places = read(PgBackRest(stanza, _SECONDS).json("info", f"--io-timeout={_PATIENCE}"))
    return None if check_mode and len(places) != repositories else places


def read(info: Sequence[dict[str, Any]]) -> list[Place]:
    """Of pgBackRest's own output for one stanza."""
    if not info:
        return []
    [about] = info
    archiving = {each["database"].get("repo-key", 1) for each in about.get("archive", []) if each.get("max")}
    return [
        Place(each["key"], each["status"]["code"], str(each["status"]["message"]), each["key"] in archiving)
        for each in about.get("repo", [])
    ]


def plan(stanza: str, places: Sequence[Place] | None, repositories: int) -> StanzaPlan:
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
    missing = tuple(place.number for place in places if place.code in _MISSING)
    return StanzaPlan(missing, bool(missing) or not all(place.archives for place in places))


def apply(stanza: str, planned: StanzaPlan, seconds: float) -> list[str]:
    """Make it and see that WAL arrives; what there is to be said about it."""
    pgbackrest = PgBackRest(stanza, seconds)
    if planned.missing:
        _create(pgbackrest, planned.missing)
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
