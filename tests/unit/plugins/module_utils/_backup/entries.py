"""Entries of a catalogue by what a test is about."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Entry, Series, Verified

NOW = datetime(2026, 8, 31, 12, tzinfo=timezone.utc)
SERIES = Series("logical", "all", "7000000000000000001", "shop")


def entry(number: int, *, days: float, level: str = "checksum", **other: Any) -> Entry:
    """The so-manyth backup, so many days old."""
    taken = NOW - timedelta(days=days)
    given = {
        "id": f"b{number}",
        "series": SERIES,
        "number": number,
        "started": taken,
        "stopped": taken,
        "bytes": 1000,
        "stored_bytes": 100,
        "place": "/backups",
        "lsn_start": None,
        "lsn_stop": None,
        "timeline": None,
        "restorable_from": taken,
        "restorable_to": taken,
        "verified": None if level == "none" else Verified(level, taken),
    }
    return Entry(**{**given, **other})
