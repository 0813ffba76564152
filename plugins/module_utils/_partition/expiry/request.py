# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The options of pg_row_expiry, read before any server is contacted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import (
    ARCHIVE_OPTION,
    Store,
    read_store,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import (
    DATE,
    INTEGER,
    TIMESTAMPTZ,
    printed,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.lag import Limit, parse_limit
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.state import Policy
from ansible_collections.runbook.postgres.plugins.module_utils._partition.interval import Interval, parse_interval

MINUTE = 60_000_000
MOST_ROWS = 1_000_000

_TABLE: dict[str, Any] = {
    "table": {"type": "str", "required": True},
    "column": {"type": "str", "required": True},
    "retention": {"type": "str", "required": True},
    "timezone": {"type": "str", "default": "UTC"},
    "on_expiry": {"type": "str", "choices": ["archive", "drop"], "required": True},
    "archive": ARCHIVE_OPTION,
    "where": {"type": "str"},
    "batch_rows": {"type": "int", "default": 10000},
    "require_index": {"type": "bool", "default": True},
    "allow_references": {"type": "bool", "default": False},
}

EXPIRY_OPTIONS: dict[str, Any] = {
    "tables": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": _TABLE,
        "required_if": [("on_expiry", "archive", ["archive"])],
    },
    "batch_pause": {"type": "float", "default": 0},
    "max_seconds": {"type": "float"},
    "max_replica_lag": {"type": "str"},
    "lag_patience": {"type": "float", "default": 600},
    "lock_timeout": {"type": "float", "default": 2},
    "retries": {"type": "int", "default": 8},
}


@dataclass(frozen=True)
class Wish:
    """What one entry of `tables` asks for."""

    table: str
    options: Mapping[str, Any]
    zone: tzinfo
    store: Store | None

    def policy(self, kind: str, now: int) -> Policy:
        """What leaves, by the server's clock; to the minute, so that it reads well."""
        try:
            cutoff = printed(kind, cut(self.options["retention"], kind, self.zone, now - now % MINUTE))
        except Refused as error:
            raise Refused(f"{self.table}: {error.sentence.replace('interval', 'retention')}") from error
        return Policy(cutoff, self.options["batch_rows"], self.options["where"], self.store)


@dataclass(frozen=True)
class Manner:
    """How batches follow each other, for all tables alike."""

    batch_pause: float
    max_seconds: float | None
    limit: Limit | None
    lag_patience: float
    lock_seconds: float
    retries: int

    @property
    def milliseconds(self) -> str:
        """Not zero, which the server takes for ever."""
        return str(max(1, int(self.lock_seconds * 1000)))


def cut(retention: str, kind: str, zone: tzinfo, now: int) -> int:
    """Where rows end to be kept: the value itself for whole numbers, an age before now for times."""
    if kind == INTEGER:
        try:
            return int(retention)
        except ValueError as error:
            raise Refused(
                f"retention is '{retention}' and the column holds whole numbers: give the first one that stays."
            ) from error
    age = parse_interval(retention, TIMESTAMPTZ if kind != DATE else DATE, zone)
    if kind == TIMESTAMPTZ:
        return age.back(now)
    # A column without a zone holds what a clock showed: that of the time zone that was named.
    shown = Interval("days", 1, zone, TIMESTAMPTZ).on_the_clock(now) if zone is not timezone.utc else now
    return replace(age, zone=timezone.utc, kind=kind).back(shown)


def wishes(options: Mapping[str, Any]) -> list[Wish]:
    return [_wish(each) for each in options["tables"]]


def _wish(entry: Mapping[str, Any]) -> Wish:
    name = entry["table"]
    if not 1 <= entry["batch_rows"] <= MOST_ROWS:
        raise Refused(f"{name}: batch_rows is {entry['batch_rows']}: give from 1 to {MOST_ROWS}.")
    where = entry["where"]
    if where is not None and (not where.strip() or ";" in where or "\0" in where):
        raise Refused(f"{name}: where takes one condition, without a semicolon: write chr(59) where a value has one.")
    try:
        zone: tzinfo = timezone.utc if entry["timezone"] == "UTC" else ZoneInfo(entry["timezone"])
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Refused(
            f"{name}: timezone '{entry['timezone']}' is not known on this host: give a name such as Europe/Berlin."
        ) from error
    store = read_store(name, entry["archive"])
    return Wish(name, entry, zone, store if entry["on_expiry"] == "archive" else None)


def manner(options: Mapping[str, Any]) -> Manner:
    # Python takes 'inf' and 'nan' for numbers, the server does not.
    if not 0 < options["lock_timeout"] <= 3600 or options["retries"] < 0:
        raise Refused("lock_timeout takes more than zero and at most 3600 seconds, and retries zero or more.")
    if not 0 <= options["batch_pause"] <= 3600 or not 0 <= options["lag_patience"] <= 86_400:
        raise Refused("batch_pause takes from zero to 3600 seconds, and lag_patience from zero to a day.")
    if options["max_seconds"] is not None and not options["max_seconds"] > 0:
        raise Refused("max_seconds takes more than zero.")
    limit = None if options["max_replica_lag"] is None else parse_limit(options["max_replica_lag"])
    return Manner(
        options["batch_pause"],
        options["max_seconds"],
        limit,
        options["lag_patience"],
        options["lock_timeout"],
        options["retries"],
    )
