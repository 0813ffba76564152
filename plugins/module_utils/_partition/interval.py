# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where one partition ends and the next begins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import (
    DATE,
    DAY,
    INTEGER,
    MICROSECONDS,
    TIMESTAMPTZ,
    Range,
    civil,
    days_of,
)

HOUR = 3_600 * MICROSECONDS

# Each unit in terms of one that is counted: hours, days or months.
_UNITS = {
    "hour": ("hours", 1),
    "day": ("days", 1),
    "week": ("days", 7),
    "month": ("months", 1),
    "quarter": ("months", 3),
    "year": ("months", 12),
}
_WORDS = re.compile(r"(?:(\d+)\s+)?(hour|day|week|month|quarter|year)s?", re.IGNORECASE)

# Weeks begin on Mondays; the first of January 1970 was a Thursday.
_FIRST_MONDAY = 4


@dataclass(frozen=True)
class Interval:
    """So many hours, days or months of a calendar, or so many whole numbers."""

    counted: str
    count: int
    zone: tzinfo = timezone.utc
    kind: str = TIMESTAMPTZ

    @property
    def words(self) -> str:
        return f"{self.count} {self.counted}"

    def shortest(self) -> int:
        """The least it can be, to compare intervals of different units by."""
        return self.count * {"numbers": 1, "hours": HOUR, "days": DAY, "months": 28 * DAY}[self.counted]

    def period(self, point: int) -> Range:
        """The period that holds this point."""
        number = self._number(point)
        return Range(self._edge(number), self._edge(number + 1))

    def shifted(self, point: int, periods: int) -> int:
        """The beginning of the period so many periods away from the one that holds this point."""
        return self._edge(self._number(point) + periods)

    def on_the_clock(self, point: int) -> int:
        """What the zone's clock shows at this instant, as if it were UTC."""
        return self._local(point)

    def back(self, point: int) -> int:
        """The same moment of the clock, one interval before: an age, not a period's edge."""
        if self.counted in ("numbers", "hours"):
            return point - self.count * (1 if self.counted == "numbers" else HOUR)
        local = self._local(point)
        days, rest = divmod(local, DAY)
        if self.counted == "days":
            days -= self.count
        else:
            year, month, day = civil(days)
            months = year * 12 + month - 1 - self.count
            # The 31st less a month is the last day of a shorter one.
            longest = days_of((months + 1) // 12, (months + 1) % 12 + 1, 1) - days_of(months // 12, months % 12 + 1, 1)
            days = days_of(months // 12, months % 12 + 1, min(day, longest))
        return self.moment(days * DAY + rest)

    def moment(self, local: int) -> int:
        """When the zone's clock shows this: where it happens twice the first time, where never after the jump."""
        if self.kind != TIMESTAMPTZ or self.zone is timezone.utc:
            return local
        guess = local - self._offset(local - DAY)
        if self._local(guess) == local:
            earlier = local - self._offset(guess - DAY)
            return earlier if self._local(earlier) == local else guess
        other = local - self._offset(guess)
        return other if self._local(other) == local else guess

    def periods(self, first: int, last: int) -> Iterator[Range]:
        """The periods from the one that holds the first point to the one that holds the last."""
        number = self._number(first)
        lower = self._edge(number)
        while lower <= last:
            number += 1
            upper = self._edge(number)
            # A zone that skips a day makes a period of nothing, and nothing needs a partition.
            if upper > lower:
                yield Range(lower, upper)
            lower = upper

    def _number(self, point: int) -> int:
        """Which period holds this point, counted from whichever is the first."""
        if self.counted in ("numbers", "hours"):
            return point // self._edge(1)
        days = self._local(point) // DAY
        if self.counted == "days":
            number = (days - self._anchor) // self.count
        else:
            year, month, _day = civil(days)
            number = (year * 12 + month - 1) // self.count
        # A clock that is set back past midnight shows the day before once more, in a period that has begun.
        while self._edge(number + 1) <= point:
            number += 1
        return number

    def _edge(self, number: int) -> int:
        """Where that period begins."""
        if self.counted == "numbers":
            return number * self.count
        if self.counted == "hours":
            # Hours are elapsed time: a clock that is set back repeats one, and no row may have two homes.
            return number * self.count * HOUR
        if self.counted == "days":
            return self.moment((number * self.count + self._anchor) * DAY)
        months = number * self.count
        return self.moment(days_of(months // 12, months % 12 + 1, 1) * DAY)

    @property
    def _anchor(self) -> int:
        return _FIRST_MONDAY if self.count % 7 == 0 else 0

    def _local(self, point: int) -> int:
        """What the zone's clock shows at this instant; keys without a zone are their own clock."""
        return point + self._offset(point) if self.kind == TIMESTAMPTZ else point

    def _offset(self, point: int) -> int:
        """How far the zone is ahead of UTC at this instant; outside Python's years as in the nearest one."""
        if self.zone is timezone.utc:
            return 0
        year = civil(point // DAY)[0]
        if not 2 <= year <= 9998:
            point = days_of(min(max(year, 2), 9998), 7, 1) * DAY
        moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=point)
        ahead = moment.astimezone(self.zone).utcoffset() or timedelta()
        return (ahead.days * 86_400 + ahead.seconds) * MICROSECONDS + ahead.microseconds


def parse_interval(text: str, kind: str, zone: tzinfo = timezone.utc) -> Interval:
    """'month', '3 months', '2 weeks' for keys of time; '1000000' for whole numbers."""
    words = str(text).strip()
    if re.fullmatch(r"\d+", words):
        if kind != INTEGER:
            raise Refused(f"interval is {words}, a number, and the key is a {kind}: give hours, days, weeks or months.")
        return _checked(Interval("numbers", int(words), timezone.utc, kind), words)
    found = _WORDS.fullmatch(words)
    if found is None:
        raise Refused(
            f"interval '{words}' is not understood: give hour, day, week, month, quarter or year, "
            "a number of those such as '3 months', or a whole number for integer keys."
        )
    if kind == INTEGER:
        raise Refused(f"interval is '{words}' and the key is a whole number: give how many numbers a partition takes.")
    counted, each = _UNITS[found[2].lower()]
    if counted == "hours" and kind == DATE:
        raise Refused(f"interval is '{words}' and the key is a date, which knows no hours: give a day or more.")
    return _checked(Interval(counted, int(found[1] or 1) * each, zone, kind), words)


def _checked(interval: Interval, words: str) -> Interval:
    if interval.count < 1:
        raise Refused(f"interval is '{words}': a partition takes at least one.")
    return interval
