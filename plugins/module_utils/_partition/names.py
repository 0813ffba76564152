# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a new partition is called."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from datetime import timezone

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import (
    DAY,
    INTEGER,
    MICROSECONDS,
    Range,
    civil,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.interval import Interval

# The server cuts longer names, and two that differ only beyond would be one.
LONGEST_BYTES = 63
# What a template may say itself, so that a few letters of everything else are left.
_LONGEST_FIXED_BYTES = 30

_DEFAULTS = {
    "hours": "{table}_p{year}_{month}_{day}_{hour}",
    "days": "{table}_p{year}_{month}_{day}",
    "months": "{table}_p{year}_{month}",
    "numbers": "{table}_p{lower}",
}
_FIELD = re.compile(r"\{(\w*)\}")
_FIELDS = ("table", "year", "month", "day", "hour", "minute", "lower", "upper")


def template_for(interval: Interval, given: str | None) -> str:
    """The template that was given, checked, or the one that tells this interval's periods apart."""
    if given is None:
        yearly = interval.counted == "months" and interval.count % 12 == 0
        return "{table}_p{year}" if yearly else _DEFAULTS[interval.counted]
    unknown = [name for name in _FIELD.findall(given) if name not in _FIELDS]
    if unknown or "{" in _FIELD.sub("", given):
        raise Refused(
            f"name_template '{given}' holds what is no field: choose from "
            f"{', '.join('{' + name + '}' for name in _FIELDS)}."
        )
    if len(_FIELD.sub("", given).encode()) > _LONGEST_FIXED_BYTES or not given:
        raise Refused(
            f"name_template '{given}' leaves no room for what its fields stand for: "
            f"give at least one character and at most {_LONGEST_FIXED_BYTES} bytes beside the fields."
        )
    if "\0" in given:
        raise Refused("name_template holds a NUL character, which no name can.")
    return given


def partition_name(template: str, table: str, period: Range, interval: Interval, taken: Collection[str]) -> str:
    """A name of at most 63 bytes that nothing else has; the end that tells periods apart is kept whole.

    Where the name is taken by something else, a few letters that follow from
    table and bounds are added: the same plan made twice names the same.
    """
    fields = _fields(period, interval)
    # Where the table's name is said twice, the first is it.
    before, mark, after = template.partition("{table}")
    head, name, tail = _filled(before, fields), table if mark else "", _filled(after, fields)
    wanted = _fitted(head, name, tail)
    attempt = 0
    while wanted in taken:
        told = f"{table} {period.lower} {period.upper}" + (f" {attempt}" if attempt else "")
        wanted = _fitted(head, name, f"{tail}_{hashlib.sha256(told.encode()).hexdigest()[:8]}")
        attempt += 1
    return wanted


def default_name(table: str, taken: Collection[str]) -> str:
    """What a table's default partition is called."""
    names = (_fitted("", table, "_default" + (f"_{number}" if number else "")) for number in range(len(taken) + 1))
    return next(name for name in names if name not in taken)


def _fitted(head: str, table: str, tail: str) -> str:
    room = LONGEST_BYTES - len(head.encode()) - len(tail.encode())
    if room < 0:
        # The end tells periods apart: what goes is the beginning.
        return _last(head + tail, LONGEST_BYTES)
    # Cut between characters, never within one.
    return head + table.encode()[:room].decode(errors="ignore") + tail


def _last(text: str, most: int) -> str:
    return text.encode()[-most:].decode(errors="ignore")


def _filled(part: str, fields: dict[str, str]) -> str:
    return _FIELD.sub(lambda found: fields[found[1]], part)


def _fields(period: Range, interval: Interval) -> dict[str, str]:
    lower, upper = period.lower or 0, period.upper or 0
    shown = {"lower": _signed(lower), "upper": _signed(upper)}
    if interval.kind == INTEGER:
        return {name: shown.get(name, "") for name in _FIELDS}
    # Hours are named in UTC: a clock that is set back shows one of them twice.
    clock = lower if interval.counted == "hours" or interval.zone is timezone.utc else interval.on_the_clock(lower)
    days, rest = divmod(clock, DAY)
    year, month, day = civil(days)
    minutes = rest // (60 * MICROSECONDS)
    times = {
        "year": f"{year:04d}",
        "month": f"{month:02d}",
        "day": f"{day:02d}",
        "hour": f"{minutes // 60:02d}",
        "minute": f"{minutes % 60:02d}",
    }
    return {"table": "", **shown, **times}


def _signed(number: int) -> str:
    return f"m{-number}" if number < 0 else str(number)


def quoted(name: str) -> str:
    """A name as SQL writes it, where the server is given it as text."""
    return '"' + name.replace('"', '""') + '"'
