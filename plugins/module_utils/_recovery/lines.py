# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the archive has of each timeline: pgBackRest's own summary knows one end for all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Line, Segment, Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.repository import Repository

_HISTORY = re.compile(r"([0-9A-F]{8})\.history")
# A timeline, and 4 GB of its WAL.
_DIRECTORY = re.compile(r"([0-9A-F]{8})[0-9A-F]{8}")
# What a promotion left half has another name.
_WHOLE = re.compile(r"([0-9A-F]{24})-[0-9a-f]{40}(?:\.\w+)?")


def look(repository: Repository, stanza: Stanza) -> dict[int, Line]:
    """Of what may be hundreds of thousands of files only the directories that hold an end."""
    found: dict[int, Line] = {}
    for number, name in stanza.archives:
        place = f"archive/{stanza.name}/{name}"
        there = repository.listed(number, place)
        for timeline, began in _begun(there).items():
            known = found.get(timeline, Line())
            found[timeline] = replace(known, began=min(began, known.began or began))
        directories = sorted((each for each in there if _DIRECTORY.fullmatch(each)), reverse=True)
        ended: set[int] = set()
        for each in directories:
            timeline = int(each[:8], 16)
            last = None if timeline in ended else _last(repository.listed(number, f"{place}/{each}"))
            if last is None:
                continue
            ended.add(timeline)
            segment, arrived = Segment(last[0], stanza.segment_bytes), last[1]
            known = found.get(timeline, Line())
            if known.last is None or segment.number > known.last.number:
                found[timeline] = replace(known, last=segment, arrived=arrived)
    return found


def before_each(repository: Repository, stanza: Stanza) -> dict[str, datetime]:
    """When the segment before each one that is damaged arrived, the first time that it did."""
    found: dict[str, datetime] = {}
    known: dict[tuple[int, str], Mapping[str, Any]] = {}
    for damaged in (each for each in stanza.damaged if each.number > 0):
        before = damaged.before().name
        for number, name in stanza.archives:
            place = f"archive/{stanza.name}/{name}/{before[:16]}"
            if (number, place) not in known:
                known[number, place] = repository.listed(number, place)
            for file, about in known[number, place].items():
                match = _WHOLE.fullmatch(file)
                if match is not None and match[1] == before:
                    arrived = _arrival(about)
                    found[damaged.name] = min(arrived, found.get(damaged.name, arrived))
    return found


def _begun(listed: Mapping[str, Any]) -> dict[int, datetime]:
    names = ((_HISTORY.fullmatch(name), about) for name, about in listed.items())
    return {int(match[1], 16): _arrival(about) for match, about in names if match}


def _last(listed: Mapping[str, Any]) -> tuple[str, datetime] | None:
    names = ((_WHOLE.fullmatch(name), about) for name, about in listed.items())
    return max(((match[1], _arrival(about)) for match, about in names if match), default=None)


def _arrival(about: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(about.get("time", 0), timezone.utc)
