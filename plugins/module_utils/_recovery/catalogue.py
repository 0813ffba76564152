# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a pgBackRest repository says that it holds of one stanza: its clusters, its backups, its WAL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch, position
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.drilled import Drilled

_SEGMENT = re.compile(r"[0-9A-F]{24}")
# As initdb makes them unless told otherwise.
SEGMENT_BYTES = 16 << 20


@dataclass(frozen=True)
class Segment:
    """A file of WAL by its name, which says the timeline and where it begins."""

    name: str
    bytes: int = SEGMENT_BYTES

    @property
    def timeline(self) -> int:
        return int(self.name[:8], 16)

    @property
    def number(self) -> int:
        return int(self.name[8:16], 16) * ((1 << 32) // self.bytes) + int(self.name[16:], 16)

    @property
    def start(self) -> str:
        return _lsn(self.number * self.bytes)

    @property
    def end(self) -> str:
        return _lsn((self.number + 1) * self.bytes)

    def before(self) -> Segment:
        return self.numbered(self.number - 1)

    def numbered(self, number: int) -> Segment:
        """Of the same timeline."""
        per = (1 << 32) // self.bytes
        return Segment(f"{self.timeline:08X}{number // per:08X}{number % per:08X}", self.bytes)

    def holding(self, lsn: str) -> Segment:
        return self.numbered(position(lsn) // self.bytes)


def _lsn(at: int) -> str:
    return f"{at >> 32:X}/{at & 0xFFFFFFFF:X}"


@dataclass(frozen=True)
class Backup:
    """One backup; its positions are known from pgBackRest 2.36 on, before that only the segments that hold them."""

    label: str
    kind: str
    repository: int
    started: int
    stopped: int
    bytes: int
    first: Segment
    last: Segment
    stop_lsn: str | None = None
    # It was finished with pages whose checksum is wrong.
    faulty: bool = False
    # What a drill, or else a proof of the repository, found wrong with it.
    damage: str | None = None

    @property
    def sound(self) -> bool:
        return not self.faulty and self.damage is None

    @property
    def timeline(self) -> int:
        return self.last.timeline

    @property
    def consistent_from(self) -> str:
        """From where on a target can be reached; where it is not known, the latest that it can be."""
        return self.stop_lsn or self.last.end

    def leads_to(self, timeline: int, history: Sequence[tuple[int, str]]) -> bool:
        """Whether that timeline goes on where this backup ends."""
        own = Branch(self.timeline, self.stop_lsn or self.last.start)
        return own.parting(Branch(timeline, "0/0", history), ahead_counts=False) is None


@dataclass(frozen=True)
class Line:
    """What the archive has of one timeline."""

    # When the file arrived that says where it began.
    began: datetime | None = None
    # Its last whole segment, and when that arrived.
    last: Segment | None = None
    arrived: datetime | None = None


@dataclass(frozen=True)
class Stanza:
    """What there is of the cluster that is meant."""

    name: str
    system_identifier: str
    version: str
    backups: tuple[Backup, ...]
    # The first and last segment in the archive, the last over all timelines.
    first: Segment | None = None
    last: Segment | None = None
    # Where its WAL is: the number of each repository, and the archive's name there.
    archives: tuple[tuple[int, str], ...] = ()
    segment_bytes: int = SEGMENT_BYTES
    # WAL that the last proof found damaged, in each repository that has it.
    damaged: tuple[Segment, ...] = ()

    def segment(self, backup: Backup) -> Segment | None:
        return self.last if self.last is not None and self.last.timeline >= backup.timeline else None


def read(told: Any, stanza: str, version: int, repository: int | None, segment_bytes: int = SEGMENT_BYTES) -> Stanza:
    """The newest cluster of that stanza; what cannot be used is refused with pgBackRest's own words."""
    found = next((each for each in told or () if each.get("name") == stanza), None)
    if found is None:
        raise Refused(f"The repository knows no stanza '{stanza}': look at the name and at pgbackrest's configuration.")
    known = [each for each in found.get("db", ()) if repository in (None, each.get("repo-key", 1))]
    if not known:
        reason = (found.get("status") or {}).get("message", "no reason given")
        raise Refused(f"Stanza '{stanza}' cannot be read ({reason}): look at pgbackrest info on this host.")
    newest = max(known, key=lambda each: int(each["id"]))
    if newest["version"] != str(version):
        raise Refused(
            f"Stanza '{stanza}' holds backups of PostgreSQL {newest['version']} and this instance is of {version}: "
            "give the right version."
        )
    ours = {(each["id"], each.get("repo-key", 1)) for each in known if each["system-id"] == newest["system-id"]}
    segments = list(_segments(found.get("archive", ()), ours, segment_bytes))
    return Stanza(
        stanza,
        str(newest["system-id"]),
        newest["version"],
        tuple(_backups(found.get("backup", ()), ours, segment_bytes)),
        min(segments, key=lambda each: each.name, default=None),
        max(segments, key=lambda each: each.name, default=None),
        tuple(_archives(found.get("archive", ()), ours)),
        segment_bytes,
    )


def judged(
    stanza: Stanza, drills: Mapping[tuple[int, str], Drilled], problems: Mapping[tuple[int, str], str]
) -> Stanza:
    """With what drills and proofs found wrong with its backups."""
    drilled = {key: each.sentence for key, each in drills.items() if each.why is not None}
    damage = {**problems, **drilled}
    told = tuple(replace(each, damage=damage.get((each.repository, each.label))) for each in stanza.backups)
    return replace(stanza, backups=told)


def _belongs(entry: Mapping[str, Any], ours: set[tuple[Any, Any]]) -> bool:
    return (entry["database"]["id"], entry["database"].get("repo-key", 1)) in ours


def _segments(archive: Iterable[Mapping[str, Any]], ours: set[tuple[Any, Any]], size: int) -> Iterable[Segment]:
    for each in archive:
        if _belongs(each, ours):
            names = (each.get("min"), each.get("max"))
            yield from (Segment(name, size) for name in names if name and _SEGMENT.fullmatch(name))


def _archives(archive: Iterable[Mapping[str, Any]], ours: set[tuple[Any, Any]]) -> Iterable[tuple[int, str]]:
    for each in archive:
        if _belongs(each, ours):
            yield int(each["database"].get("repo-key", 1)), str(each["id"])


def _backups(told: Iterable[Mapping[str, Any]], ours: set[tuple[Any, Any]], size: int) -> Iterable[Backup]:
    for each in sorted(told, key=lambda one: int(one["timestamp"]["stop"])):
        first, last = (each.get("archive") or {}).get("start"), (each.get("archive") or {}).get("stop")
        # Without the WAL that it needs it is of no use.
        if _belongs(each, ours) and first and last:
            yield Backup(
                each["label"],
                each["type"],
                int(each["database"].get("repo-key", 1)),
                int(each["timestamp"]["start"]),
                int(each["timestamp"]["stop"]),
                int(each["info"]["size"]),
                Segment(first, size),
                Segment(last, size),
                (each.get("lsn") or {}).get("stop"),
                bool(each.get("error")),
            )


def reachable(backup: Backup, lsn: str) -> bool:
    return position(backup.consistent_from) <= position(lsn)
