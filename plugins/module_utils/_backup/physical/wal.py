# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The WAL beside the backups of one repository: of what may be hundreds of thousands of files those that are needed.

That it cannot be listed, or not in time, makes no backup worse: it is told, and nothing is said of gaps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.archive import Archive, latest_history, read
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.program import PgBackRest

# A timeline and the number of a file of 4 GB of WAL, whose segments are in it.
_DIRECTORY = re.compile(r"[0-9A-F]{8}([0-9A-F]{8})")
_SECONDS = 300.0
# One call for all is quicker than one for each, unless what it lists for nothing is the most of it.
_PART = 4


class Wal:
    """What a run knows of it: it is listed once, and then only where more may have come since."""

    def __init__(self, pgbackrest: PgBackRest, repository: int, damaged: frozenset[str] = frozenset()) -> None:
        self._pgbackrest = pgbackrest
        self._repository = repository
        # Segments that a proof found damaged, which are of no more use than those that are missing.
        self.damaged = damaged
        self._listed: dict[str, dict[str, Any]] = {}
        # The file that tells where the latest timeline came from: its name, and what is in it.
        self._histories: dict[str, tuple[str, str]] = {}
        # Why nothing is known of it.
        self.trouble: str | None = None

    def look(self, about: Mapping[str, Any]) -> dict[str, Archive]:
        """By the name that pgBackRest has for each cluster's archive; `about` is what its info tells of the stanza."""
        deadline = Deadline(_SECONDS)
        try:
            for name, first in needed(about, self._repository).items():
                if self.trouble is None:
                    self._update(name, first, deadline)
        except Problem as error:
            self.trouble = (
                f"The WAL in repository {self._repository} was not listed, so that nobody would see a gap in it, and "
                f"until when backups can be brought back is not known: {error.sentence}"
            )
        if self.trouble:
            return {}
        return {name: read(self._whole(name), self._histories.get(name)) for name in self._listed}

    def _whole(self, name: str) -> dict[str, Any]:
        files = self._listed[name].items()
        return {path: about for path, about in files if f"{name}/{path.rpartition('/')[2][:24]}" not in self.damaged}

    def _update(self, name: str, first: str, deadline: Deadline) -> None:
        known = self._listed.setdefault(name, {})
        archive = read(known)
        begin = archive.number(first)
        if archive.segments:
            # Several processes hand it over, not quite in order.
            begin = max(begin, max(archive.segments) - archive.per_file)
        place = f"archive/{self._pgbackrest.stanza}/{name}"
        files = self._ls(place, deadline)
        self._learn(name, latest_history(files), deadline)
        there = [each for each in files if _DIRECTORY.fullmatch(each)]
        wanted = since(there, archive.name(begin, 1))
        if not known and len(wanted) * _PART > len(there):
            known.update(self._ls(place, deadline, "--recurse"))
            return
        for each in wanted:
            known.update(self._ls(f"{place}/{each}", deadline))

    def _learn(self, name: str, history: str | None, deadline: Deadline) -> None:
        if history is None or self._histories.get(name, ("", ""))[0] == history:
            return
        place = f"archive/{self._pgbackrest.stanza}/{name}/{history}"
        seconds = max(1.0, deadline.remaining())
        text = self._pgbackrest.run("repo-get", f"--repo={self._repository}", place, seconds=seconds, log="error")
        self._histories[name] = (history, text)

    def _ls(self, place: str, deadline: Deadline, *more: str) -> Mapping[str, Any]:
        seconds = max(1.0, deadline.remaining())
        found: Mapping[str, Any] = self._pgbackrest.json(
            "repo-ls", f"--repo={self._repository}", *more, place, seconds=seconds
        )
        return found


def needed(about: Mapping[str, Any], repository: int) -> dict[str, str]:
    """The first segment that any backup needs, for each archive that has one to serve."""
    firsts: dict[int, list[str]] = {}
    for each in about.get("backup", []):
        if each["database"].get("repo-key", 1) == repository and each["archive"]["start"]:
            firsts.setdefault(each["database"]["id"], []).append(each["archive"]["start"])
    return {
        each["id"]: min(firsts[each["database"]["id"]], key=_place)
        for each in about.get("archive", [])
        if each["database"].get("repo-key", 1) == repository and each["database"]["id"] in firsts
    }


def since(directories: Iterable[str], first: str) -> Sequence[str]:
    """Those that may hold that segment or a later one, of whichever timeline."""
    return sorted(each for each in directories if each[8:] >= first[8:16])


def _place(segment: str) -> str:
    """Where it is in the WAL, which all timelines count alike."""
    return segment[8:]
