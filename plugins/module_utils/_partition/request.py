# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The options of pg_partition, read into policies before any server is contacted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import (
    ARCHIVE_OPTION,
    Store,
    read_store,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import DATE, DAY, INTEGER, parse_time
from ansible_collections.runbook.postgres.plugins.module_utils._partition.interval import Interval, parse_interval
from ansible_collections.runbook.postgres.plugins.module_utils._partition.names import template_for
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import Policy

_TABLE: dict[str, Any] = {
    "table": {"type": "str", "required": True},
    "interval": {"type": "str", "required": True},
    "ahead": {"type": "int", "default": 4},
    "behind": {"type": "int", "default": 0},
    "start": {"type": "str"},
    "timezone": {"type": "str", "default": "UTC"},
    "retention": {"type": "str"},
    "on_expiry": {"type": "str", "choices": ["detach", "archive", "drop"]},
    "archive": ARCHIVE_OPTION,
    "name_template": {"type": "str"},
    "tablespace": {"type": "str"},
    "default_partition": {"type": "str", "choices": ["absent", "present", "ignore"], "default": "ignore"},
    "drain_default": {"type": "bool", "default": False},
    "convert": {"type": "str", "choices": ["attach", "copy"]},
    "convert_column": {"type": "str"},
    "convert_keys": {"type": "str", "choices": ["refuse", "widen"], "default": "refuse"},
    "convert_until": {"type": "str"},
    "convert_kept_as": {"type": "str"},
}

PARTITION_OPTIONS: dict[str, Any] = {
    "tables": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": _TABLE,
        "required_together": [("retention", "on_expiry")],
        "required_if": [
            ("on_expiry", "archive", ["archive"]),
            ("convert", "attach", ["convert_column"]),
            ("convert", "copy", ["convert_column"]),
        ],
    },
    "lock_timeout": {"type": "float", "default": 2},
    "retries": {"type": "int", "default": 8},
    "drain_batch": {"type": "int", "default": 10000},
}

# More in one run is a slip of the finger.
_MOST = 20_000

_COUNT = re.compile(r"(\d+)\s+partitions?", re.IGNORECASE)


@dataclass(frozen=True)
class Intent:
    """What the operator said about converting a table."""

    how: str
    column: str
    widen: bool = False
    kept_as: str | None = None


@dataclass(frozen=True)
class Manner:
    """How the steps are taken, for all tables alike."""

    lock_seconds: float
    retries: int
    drain_batch: int

    @property
    def milliseconds(self) -> str:
        """Not zero, which the server takes for ever."""
        return str(max(1, int(self.lock_seconds * 1000)))


@dataclass(frozen=True)
class Wish:
    """What one entry of `tables` asks for; what depends on the key's type is read when that is known."""

    table: str
    options: Mapping[str, Any]
    zone: tzinfo
    store: Store | None = None

    @property
    def tablespace(self) -> str | None:
        return self.options["tablespace"] or None

    @property
    def conversion(self) -> Intent | None:
        """How a table that is not partitioned becomes so, if it is to."""
        given = self.options
        if given["convert"] is None:
            return None
        return Intent(
            how=given["convert"],
            column=given["convert_column"],
            widen=given["convert_keys"] == "widen",
            kept_as=given["convert_kept_as"],
        )

    def until(self, kind: str, interval: Interval) -> int | None:
        """Where the partition ends that a whole table becomes, if that was said."""
        try:
            return _moment("convert_until", self.options["convert_until"], kind, interval)
        except Refused as error:
            raise Refused(f"{self.table}: {error.sentence}") from error

    def policy(self, kind: str) -> Policy:
        try:
            return self._policy(kind)
        except Refused as error:
            raise Refused(f"{self.table}: {error.sentence}") from error

    def _policy(self, kind: str) -> Policy:
        interval = parse_interval(self.options["interval"], kind, self.zone)
        keep_for, keep_count = _retention(self.options["retention"], interval, kind, self.zone)
        return Policy(
            interval=interval,
            ahead=self.options["ahead"],
            behind=self.options["behind"],
            start=_moment("start", self.options["start"], kind, interval),
            keep_for=keep_for,
            keep_count=keep_count,
            on_expiry=self.options["on_expiry"],
            template=template_for(interval, self.options["name_template"]),
            default_partition=self.options["default_partition"],
            drain_default=self.options["drain_default"],
            archive=self.store,
        )


def wishes(options: Mapping[str, Any]) -> list[Wish]:
    names = [each["table"] for each in options["tables"]]
    for each in options["tables"]:
        if names.count(each["table"]) > 1:
            raise Refused(f"tables names {each['table']} twice: give each table one entry.")
        for count in ("ahead", "behind"):
            if not 0 <= each[count] <= _MOST:
                raise Refused(f"{each['table']}: {count} is {each[count]}: give from zero to {_MOST} partitions.")
    # Python takes 'inf' and 'nan' for numbers, the server does not.
    if not 0 < options["lock_timeout"] <= 3600 or options["retries"] < 0:
        raise Refused("lock_timeout takes more than zero and at most 3600 seconds, and retries zero or more.")
    if options["drain_batch"] < 1:
        raise Refused(f"drain_batch is {options['drain_batch']}: a batch takes at least one row.")
    return [Wish(each["table"], each, _zone(each), _store(each)) for each in options["tables"]]


def manner(options: Mapping[str, Any]) -> Manner:
    return Manner(options["lock_timeout"], options["retries"], options["drain_batch"])


def _store(entry: Mapping[str, Any]) -> Store | None:
    """Where archives go, for as long as that is what is wanted."""
    store = read_store(entry["table"], entry["archive"])
    return store if entry["on_expiry"] == "archive" else None


def _zone(entry: Mapping[str, Any]) -> tzinfo:
    try:
        return ZoneInfo(entry["timezone"])
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Refused(
            f"{entry['table']}: timezone '{entry['timezone']}' is not known on this host: "
            "give a name such as Europe/Berlin, and install tzdata if even UTC is missing."
        ) from error


def _moment(option: str, text: str | None, kind: str, interval: Interval) -> int | None:
    if text is None:
        return None
    try:
        point = int(text) if kind == INTEGER else parse_time(text)
    except ValueError as error:
        wanted = "a whole number" if kind == INTEGER else "a date or time such as 2026-01-31 or 2026-01-31 06:00:00"
        raise Refused(f"{option} '{text}' is not understood: give {wanted}.") from error
    if kind == DATE and point % DAY:
        raise Refused(f"{option} '{text}' has a time of day and the key is a date: give the date alone.")
    return interval.moment(point)


def _retention(text: str | None, interval: Interval, kind: str, zone: tzinfo) -> tuple[Interval | None, int | None]:
    """An age, or how many of the partitions that have ended are kept."""
    if text is None:
        return None, None
    counted = _COUNT.fullmatch(text.strip())
    if counted:
        if int(counted[1]) < 1:
            raise Refused(f"retention is '{text}': keep one partition at least.")
        return None, int(counted[1])
    age = parse_interval(text, kind, zone)
    if age.shortest() < interval.shortest():
        raise Refused(
            f"retention '{text}' is shorter than interval '{interval.words}': nothing would outlive its period."
        )
    return age, None
