# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ages and sizes as people write them, and how people read them."""

from __future__ import annotations

import re
from datetime import timedelta

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

_SECONDS = {"s": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_SECONDS |= {"w": 604800, "week": 604800}
_BYTES = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4}
_WORDS = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def parse_age(option: str, text: str) -> timedelta:
    """`26 hours`, `30 days`, `90 min`; a number alone is 0, since any other needs its unit."""
    found = _WORDS.fullmatch(str(text).strip())
    unit = found[2].lower() if found else ""
    if found and not unit and float(found[1]) == 0:
        return timedelta()
    known = _SECONDS.get(unit) or _SECONDS.get(unit[:-1] if unit.endswith("s") else "")
    if found is None or known is None:
        raise Refused(f"{option} '{text}' is not understood: give an age such as '26 hours' or '30 days', or 0.")
    return timedelta(seconds=float(found[1]) * known)


def parse_size(option: str, text: str) -> int:
    found = _WORDS.fullmatch(text.strip())
    unit = found[2].lower() if found else ""
    if found is None or unit not in _BYTES:
        raise Refused(f"{option} '{text}' is not understood: give a size such as '20 GB'.")
    return int(float(found[1]) * _BYTES[unit])


def age_words(age: timedelta) -> str:
    """The largest unit that it is a whole number of."""
    seconds = int(age.total_seconds())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds % length == 0 and seconds:
            number = seconds // length
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return "0 seconds"


def size_words(number: float) -> str:
    """Three digits and a unit."""
    if number < 1000:
        return f"{number:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 1000:
            return f"{number:.3g} {unit}"
    return f"{number / 1000:.4g} TB"
