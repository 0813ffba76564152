# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How far ahead of now a table's partitions reach, read from their bounds as the server prints them."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The server prints bounds in UTC here, see SESSION_SETTINGS, so the zone is not read.
_BOUND = re.compile(r"FROM \((?P<lower>.*)\) TO \((?P<upper>.*)\)\Z")
_MOMENT = re.compile(r"'(\d{4,})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d))?(?:(?! BC)[^'])*( BC)?'\Z")
_ENDLESS = ("MAXVALUE", "'infinity'")

# Year, month, day, hour, minute, second: compares as time does, without an end of years.
Moment = tuple[int, ...]


def moment(text: str) -> Moment | None:
    found = _MOMENT.match(text)
    if not found:
        return None
    *parts, before_christ = found.groups()
    year, *rest = (int(part or 0) for part in parts)
    return (-year if before_christ else year, *rest)


def partitions_ahead(bounds: Iterable[str], now: str) -> tuple[int | None, str | None]:
    """How many ranges begin after now, and where the last one ends.

    None where the question has no answer: no range has two ends in time, or one
    has no upper end and so takes whatever comes.
    """
    present = moment(f"'{now}'")
    ranges = [found for found in map(_BOUND.search, bounds) if found]
    if present is None or any(found["upper"] in _ENDLESS for found in ranges):
        return None, None
    ends = [(end, found["upper"]) for found in ranges for end in [moment(found["upper"])] if end]
    if not ends:
        return None, None
    starts = [start for found in ranges for start in [moment(found["lower"])] if start]
    return sum(1 for start in starts if start > present), max(ends)[1].strip("'")
