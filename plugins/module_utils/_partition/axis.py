# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The line on which partitions lie: every key is a whole number, whatever its type.

Times are microseconds since 1970 UTC, so that comparing, filling gaps and
looking for overlaps is arithmetic on integers, and no calendar library's idea
of the last year gets in the way of PostgreSQL's.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import date, datetime, timezone

MICROSECONDS = 1_000_000
DAY = 86_400 * MICROSECONDS

DATE, TIMESTAMP, TIMESTAMPTZ, INTEGER = "date", "timestamp", "timestamptz", "integer"

# Type names as format_type() gives them, and what they are to us.
KINDS = {
    "date": DATE,
    "timestamp without time zone": TIMESTAMP,
    "timestamp with time zone": TIMESTAMPTZ,
    "bigint": INTEGER,
    "integer": INTEGER,
    "smallint": INTEGER,
}

# What the types of whole numbers end with: no bound can be beyond it.
HIGHEST = {"bigint": 2**63 - 1, "integer": 2**31 - 1, "smallint": 2**15 - 1}

_EPOCH = date(1970, 1, 1).toordinal()
_TIME = re.compile(
    r"(?P<year>\d{4,})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?: (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6}))?)?"
    r"(?P<zone>[+-]00(?::00)?)?(?P<era> BC)?\Z"
)
_NUMBER = re.compile(r"-?\d+\Z")
_BOUND = re.compile(r"FOR VALUES FROM \((?P<lower>.*)\) TO \((?P<upper>.*)\)\Z", re.DOTALL)

# Python's calendar begins with year 1 and ends with 9999; four centuries are
# one whole turn of the calendar, so that other years are moved by whole turns.
_TURN_YEARS = 400
_TURN_DAYS = 146_097


@dataclass(frozen=True, order=True)
class Range:
    """From lower, up to and without upper; None has no end on that side."""

    lower: int | None
    upper: int | None

    def overlaps(self, other: Range) -> bool:
        starts_in_time = self.lower is None or other.upper is None or self.lower < other.upper
        ends_in_time = self.upper is None or other.lower is None or self.upper > other.lower
        return starts_in_time and ends_in_time

    def holds(self, point: int) -> bool:
        return (self.lower is None or self.lower <= point) and (self.upper is None or point < self.upper)


def parse_bound(text: str) -> Range | None:
    """The range of a partition from what the server prints in UTC; None for a default or other kind of partition."""
    found = _BOUND.match(text)
    if found is None:
        return None
    try:
        return Range(_end(found["lower"], _BEGINNINGS), _end(found["upper"], _ENDS))
    except ValueError:
        return None


# What stands for no end on a side; the other way around, a range holds no point of ours.
_BEGINNINGS, _ENDS = ("MINVALUE", "-infinity"), ("MAXVALUE", "infinity")


def _end(text: str, open_ends: tuple[str, str]) -> int | None:
    bare = text.strip("'")
    if bare in open_ends:
        return None
    return point(bare)


@functools.cache  # Where one partition ends the next one begins: each is read once.
def point(text: str) -> int:
    """A key as the server prints it."""
    return int(text) if _NUMBER.match(text) else parse_time(text)


def parse_time(text: str) -> int:
    """Microseconds of a date or time as the server prints it with DateStyle ISO and TimeZone UTC."""
    found = _TIME.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no time in ISO style")
    year = 1 - int(found["year"]) if found["era"] else int(found["year"])
    days = days_of(year, int(found["month"]), int(found["day"]))
    seconds = int(found["hour"] or 0) * 3600 + int(found["minute"] or 0) * 60 + int(found["second"] or 0)
    fraction = int((found["fraction"] or "0").ljust(6, "0"))
    return days * DAY + seconds * MICROSECONDS + fraction


def days_of(year: int, month: int, day: int) -> int:
    """Days since 1970 in the calendar that reaches backwards and forwards without end."""
    turns = (year - 2000) // _TURN_YEARS
    return date(year - turns * _TURN_YEARS, month, day).toordinal() - _EPOCH + turns * _TURN_DAYS


def civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of so many days since 1970."""
    start = date(2000, 1, 1).toordinal() - _EPOCH
    turns = (days - start) // _TURN_DAYS
    found = date.fromordinal(days - turns * _TURN_DAYS + _EPOCH)
    return found.year + turns * _TURN_YEARS, found.month, found.day


def printed(kind: str, point: int) -> str:
    """A point as a literal's content for that kind of key, understood by every server whatever its settings."""
    if kind == INTEGER:
        return str(point)
    days, rest = divmod(point, DAY)
    year, month, day = civil(days)
    shown = f"{year if year > 0 else 1 - year:04d}-{month:02d}-{day:02d}"
    if kind != DATE:
        seconds, fraction = divmod(rest, MICROSECONDS)
        shown += f" {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        shown += f".{fraction:06d}".rstrip("0") if fraction else ""
    if kind == TIMESTAMPTZ:
        shown += "+00"
    return shown if year > 0 else f"{shown} BC"


def instant(moment: datetime) -> int:
    """Microseconds since 1970 of a moment; one without a zone is taken as UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
    elapsed = aware - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (elapsed.days * 86_400 + elapsed.seconds) * MICROSECONDS + elapsed.microseconds
