# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whose WAL goes on where other data ends: a question of ancestry, since a higher timeline may be a dead branch.

Positions are kept as PostgreSQL writes them, two hexadecimal halves, and compared by what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_LINE = re.compile(r"\s*(\d+)\s+([0-9A-Fa-f]+/[0-9A-Fa-f]+)")


def position(lsn: str) -> int:
    high, _slash, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def later(*lsns: str | None) -> str:
    """The furthest of those that are known; 0/0 when none is."""
    return max((lsn for lsn in lsns if lsn), key=position, default="0/0")


def ancestors(history: str) -> tuple[tuple[int, str], ...]:
    """The lines of a .history file: the timelines before it, oldest first, each with the point where it was left."""
    found = (_LINE.match(line) for line in history.splitlines())
    return tuple((int(match[1]), match[2].upper()) for match in found if match)


@dataclass(frozen=True)
class Branch:
    """How far data reaches on which timeline, and the timelines that this one came from with where each was left."""

    timeline: int
    lsn: str
    ancestors: Sequence[tuple[int, str]] = ()

    @classmethod
    def of(cls, timeline: int, lsn: str, history: Sequence[Mapping[str, Any]]) -> Branch:
        return cls(timeline, lsn, tuple((int(each["timeline"]), str(each["lsn"])) for each in history))

    def __str__(self) -> str:
        return f"{self.lsn} of timeline {self.timeline}"

    def left(self, timeline: int) -> str | None:
        """Where this branch left that timeline; None if it never was on it."""
        return next((lsn for number, lsn in self.ancestors if number == timeline), None)

    def _split(self, other: Branch) -> tuple[int, str, str] | None:
        """A timeline that both left, each at another point: two promotions may take the same number."""
        for number, lsn in self.ancestors:
            there = other.left(number)
            if there is not None and position(there) != position(lsn):
                return number, lsn, there
        return None

    def fork(self, other: Branch) -> tuple[int, str] | None:
        """The last timeline that both were on, and where the first of them left it; None while neither has left it,
        or where they have none in common."""
        common: tuple[int, str] | None = None
        for (own, left), (number, there) in zip(self._course, other._course):
            if own != number:
                break
            ends = [lsn for lsn in (left, there) if lsn is not None]
            common = (own, min(ends, key=position)) if ends else None
            if left is None or there is None or position(left) != position(there):
                break
        return common

    @property
    def _course(self) -> tuple[tuple[int, str | None], ...]:
        """Every timeline it was on, with where it left each; it is on the last."""
        return *self.ancestors, (self.timeline, None)

    def pieces(self, fork: tuple[int, str]) -> tuple[tuple[int, str, str | None], ...]:
        """The parts of timelines that lie past that point: from where to where on each."""
        found: list[tuple[int, str, str | None]] = []
        begins: str | None = None
        for number, left in self._course:
            if number == fork[0] or begins is not None:
                begins = fork[1] if begins is None else begins
                found.append((number, begins, left))
                begins = left
        return tuple(found)

    def descends_from(self, other: Branch) -> bool:
        """It is on a later timeline that began on the other's."""
        return self.timeline != other.timeline and self.left(other.timeline) is not None and not self._split(other)

    def parting(self, other: Branch, whose: str = "primary", *, ahead_counts: bool) -> str | None:
        """Why the other's WAL does not go on where this data ends; None when it does.

        `ahead_counts` says that the other writes what this one only receives and that nothing arrives now: then the
        moment between two looks is no reason to be past it.
        """
        split = self._split(other)
        if split is not None:
            return f"it left timeline {split[0]} at {split[1]} and the {whose} did so at {split[2]}"
        if self.timeline == other.timeline:
            past = ahead_counts and position(self.lsn) > position(other.lsn)
            return f"it is at {self}, past the {whose}, which is at {other.lsn}" if past else None
        fork = other.left(self.timeline)
        if fork is None:
            return f"it is at {self}, which is none of those that led to the {whose}'s {other.timeline}"
        if position(self.lsn) > position(fork):
            return f"it is at {self}, past {fork}, where the {whose}'s timeline {other.timeline} began"
        return None

    @property
    def rank(self) -> tuple[int, int, int]:
        """For a person to be told which is the most advanced; the decision stays with the person."""
        return len(self.ancestors), self.timeline, position(self.lsn)
