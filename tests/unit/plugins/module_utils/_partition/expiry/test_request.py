"""Options become policies, or a sentence before any server is contacted; cut-offs are what a calendar says."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import (
    DATE,
    DAY,
    INTEGER,
    TIMESTAMP,
    TIMESTAMPTZ,
    instant,
    parse_time,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.request import (
    _TABLE,
    EXPIRY_OPTIONS,
    Wish,
    cut,
    manner,
    wishes,
)

UTC = timezone.utc
BERLIN, TOKYO = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo")


def options(*tables: dict[str, Any], **more: Any) -> dict[str, Any]:
    given = {name: option.get("default") for name, option in EXPIRY_OPTIONS.items()}
    entries = [{name: option.get("default") for name, option in _TABLE.items()} | table for table in tables]
    return {**given, "tables": entries, **more}


def wish(**table: Any) -> Wish:
    return wishes(options({"table": "t", "column": "at", "retention": "90 days", "on_expiry": "drop", **table}))[0]


CUTS = [
    (TIMESTAMPTZ, "90 days", UTC, "2026-11-21 03:25:00", "2026-08-23 03:25:00"),
    (TIMESTAMPTZ, "6 months", UTC, "2026-08-31 03:25:00", "2026-02-28 03:25:00"),
    (TIMESTAMPTZ, "12 hours", UTC, "2026-11-21 03:25:00", "2026-11-20 15:25:00"),
    # The clock was set forward in between: the same time of the clock is an hour off.
    (TIMESTAMPTZ, "30 days", BERLIN, "2026-04-10 10:00:00", "2026-03-11 11:00:00"),
    # Columns without a zone show what that zone's clock shows.
    (TIMESTAMP, "1 day", TOKYO, "2026-11-21 03:25:00", "2026-11-20 12:25:00"),
    (TIMESTAMP, "1 month", UTC, "2026-03-31 03:25:00", "2026-02-28 03:25:00"),
    (TIMESTAMP, "5 hours", BERLIN, "2026-07-01 00:00:00", "2026-06-30 21:00:00"),
]


@pytest.mark.parametrize(("kind", "retention", "zone", "now", "expected"), CUTS)
def test_a_cut_off_is_an_age_before_now(kind: str, retention: str, zone: Any, now: str, expected: str) -> None:
    assert cut(retention, kind, zone, parse_time(now)) == parse_time(expected)


def test_a_date_is_cut_at_the_day_that_the_clock_shows() -> None:
    late = parse_time("2026-11-20 22:30:00")
    assert cut("10 days", DATE, UTC, late) // DAY == parse_time("2026-11-10") // DAY
    assert cut("10 days", DATE, TOKYO, late) // DAY == parse_time("2026-11-11") // DAY
    assert wish(retention="10 days").policy(DATE, late).cutoff == "2026-11-10"


def test_whole_numbers_are_cut_at_the_number() -> None:
    assert cut("-5", INTEGER, UTC, 0) == -5
    assert wish(retention="1700000000").policy(INTEGER, 0).cutoff == "1700000000"


def test_now_is_taken_to_the_minute() -> None:
    policy = wish(retention="1 day").policy(TIMESTAMPTZ, parse_time("2026-11-21 03:25:59.999999"))
    assert policy.cutoff == "2026-11-20 03:25:00+00"


@given(
    st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 - UTC is added below
    st.integers(1, 40),
    st.sampled_from(["hours", "days", "weeks", "months", "quarters", "years"]),
    st.sampled_from([UTC, BERLIN, TOKYO, ZoneInfo("America/St_Johns"), ZoneInfo("Pacific/Apia")]),
    st.sampled_from([TIMESTAMPTZ, TIMESTAMP, DATE]),
)
def test_what_leaves_is_never_younger_than_its_age(
    moment: datetime, count: int, unit: str, zone: Any, kind: str
) -> None:
    if kind == DATE and unit == "hours":
        return
    now = instant(moment.replace(tzinfo=UTC))
    found = cut(f"{count} {unit}", kind, zone, now)
    shortest = {"hours": 1 / 24, "days": 1, "weeks": 7, "months": 28, "quarters": 89, "years": 365}[unit] * count
    shown = now if kind == TIMESTAMPTZ else instant(moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None))
    # A clock may have been set by up to a day in between, where a zone crossed the date line.
    slack = timedelta(0) if zone is UTC else timedelta(days=1)
    assert shown - found >= shortest * DAY - slack / timedelta(microseconds=1)


REFUSED = [
    ({"retention": "soon"}, TIMESTAMPTZ, "retention 'soon' is not understood"),
    ({"retention": "100"}, TIMESTAMPTZ, "retention is 100, a number"),
    ({"retention": "3 hours"}, DATE, "knows no hours"),
    ({"retention": "3 days"}, INTEGER, "the first one that stays"),
    ({"retention": "0 days"}, TIMESTAMPTZ, "at least one"),
]


@pytest.mark.parametrize(("table", "kind", "words"), REFUSED)
def test_a_retention_that_does_not_fit_its_column(table: dict[str, Any], kind: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as refused:
        wish(**table).policy(kind, 0)
    assert refused.value.sentence.startswith("t: ")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"batch_rows": 0}, "batch_rows is 0"),
        ({"batch_rows": 1_000_001}, "give from 1 to 1000000"),
        ({"where": " "}, "where takes one condition"),
        ({"where": "a; b"}, "without a semicolon"),
        ({"timezone": "Mars/Base"}, "not known on this host"),
        ({"archive": {"destination": "here", "recipients": [], "offsite": None}}, "not an absolute path"),
    ],
)
def test_options_that_cannot_be(table: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        wish(**table)


@pytest.mark.parametrize(
    "more",
    [
        {"lock_timeout": 0},
        {"lock_timeout": float("nan")},
        {"retries": -1},
        {"batch_pause": -1},
        {"lag_patience": float("inf")},
        {"max_seconds": 0},
        {"max_replica_lag": "far"},
    ],
)
def test_a_manner_that_cannot_be(more: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        manner(options(**more))


def test_a_manner() -> None:
    how = manner(options(max_replica_lag="64 MB", lock_timeout=0.0001))
    assert (how.milliseconds, how.max_seconds, how.batch_pause) == ("1", None, 0)
    assert how.limit is not None
    assert how.limit.bytes == 64 * 1024**2


def test_an_archive_counts_only_where_it_is_asked_for() -> None:
    archive: dict[str, Any] = {
        "destination": "/a",
        "format": "csv",
        "compression": "none",
        "recipients": [],
        "offsite": None,
    }
    assert wish(archive=archive).store is None
    assert wish(archive=archive, on_expiry="archive").store is not None
