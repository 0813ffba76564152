"""Periods cover time without gap or overlap, in every zone."""

from __future__ import annotations

from datetime import timezone, tzinfo
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import (
    DATE,
    DAY,
    INTEGER,
    TIMESTAMP,
    TIMESTAMPTZ,
    days_of,
    parse_time,
    printed,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.interval import (
    HOUR,
    Interval,
    parse_interval,
)

PROPERTY = settings(derandomize=True, deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])

ZONES = sorted(zone for zone in available_timezones() if zone not in ("localtime", "posixrules"))
WORDS = ("hour", "6 hours", "day", "3 days", "week", "2 weeks", "month", "2 months", "5 months", "quarter", "year")

zones = st.sampled_from(ZONES)
words = st.sampled_from(WORDS)
# A century around now, to the microsecond.
instants = st.integers(days_of(1970, 1, 1) * DAY, days_of(2070, 1, 1) * DAY)


def interval(text: str, zone: str = "UTC", kind: str = TIMESTAMPTZ) -> Interval:
    return parse_interval(text, kind, ZoneInfo(zone))


@PROPERTY
@given(words, zones, instants)
def test_a_point_lies_in_its_period(text: str, zone: str, at: int) -> None:
    each = interval(text, zone)
    period = each.period(at)
    assert period.holds(at)
    assert period.lower is not None
    assert period.upper is not None
    assert each.period(period.lower) == period
    assert each.period(period.upper - 1) == period
    assert each.period(period.upper).lower == period.upper


@PROPERTY
@given(words, zones, instants, st.integers(0, 40))
def test_periods_follow_each_other_without_gap_or_overlap(text: str, zone: str, at: int, ahead: int) -> None:
    each = interval(text, zone)
    last = each.shifted(at, ahead)
    found = list(each.periods(at, last))
    assert found[0].holds(at)
    assert found[-1].lower == last
    assert all(left.upper == right.lower for left, right in zip(found, found[1:]))
    assert all(
        period.lower is not None and period.upper is not None and period.lower < period.upper for period in found
    )
    assert {each.period(period.lower or 0) for period in found} == set(found)


@pytest.mark.parametrize("zone", ZONES)
def test_the_days_of_a_century_in_every_zone(zone: str) -> None:
    """Some days of each few years, at other times of the year each time."""
    day = interval("day", zone)
    for start in range(days_of(1970, 1, 1), days_of(2070, 1, 1), 997):
        periods = list(day.periods(start * DAY, (start + 2) * DAY))
        assert all(left.upper == right.lower for left, right in zip(periods, periods[1:]))
        for period in periods:
            assert period.lower is not None
            assert day.period(period.lower) == period


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 29), 23),
        ("Europe/Berlin", (2026, 10, 25), 25),
        ("America/Havana", (2026, 3, 8), 23),  # midnight is skipped
        ("America/Havana", (2026, 11, 1), 25),  # midnight is shown twice
        ("Africa/Cairo", (2026, 4, 24), 23),
        ("Asia/Beirut", (2026, 3, 29), 23),
        ("America/St_Johns", (2006, 10, 29), 25),  # set back at one minute past midnight
        ("Australia/Lord_Howe", (2026, 4, 5), 24.5),
        ("UTC", (2028, 2, 29), 24),
    ],
)
def test_days_are_as_long_as_the_clock_makes_them(zone: str, day: tuple[int, int, int], hours: float) -> None:
    each = interval("day", zone)
    noon = each.moment(days_of(*day) * DAY + 12 * HOUR)
    period = each.period(noon)
    assert period.lower is not None
    assert period.upper is not None
    assert (period.upper - period.lower) / HOUR == hours


def test_a_zone_that_skipped_a_day_has_no_partition_for_it() -> None:
    day = interval("day", "Pacific/Apia")
    start = day.moment(days_of(2011, 12, 29) * DAY)
    shown = [printed(TIMESTAMPTZ, period.lower or 0) for period in day.periods(start, start + 2 * DAY)]
    assert shown == ["2011-12-29 10:00:00+00", "2011-12-30 10:00:00+00", "2011-12-31 10:00:00+00"]


def test_leap_days_belong_to_february() -> None:
    month = interval("month", kind=DATE)
    periods = list(month.periods(days_of(2028, 2, 1) * DAY, days_of(2028, 3, 1) * DAY))
    assert [printed(DATE, period.upper or 0) for period in periods] == ["2028-03-01", "2028-04-01"]


def test_weeks_begin_on_mondays_and_quarters_in_january() -> None:
    now = days_of(2026, 7, 29) * DAY
    assert printed(DATE, interval("week", kind=DATE).period(now).lower or 0) == "2026-07-27"
    assert printed(DATE, interval("quarter", kind=DATE).period(now).lower or 0) == "2026-07-01"


@PROPERTY
@given(st.sampled_from(["month", "3 months", "year", "day", "week", "12 hours"]), zones, instants)
def test_an_age_ago_is_before_now_and_not_long_before(text: str, zone: str, at: int) -> None:
    each = interval(text, zone)
    ago = each.back(at)
    longest = {"months": 31 * DAY, "days": DAY, "hours": HOUR}[each.counted] * each.count + 25 * HOUR
    assert 0 < at - ago <= longest


def test_a_month_before_the_last_of_march_is_the_last_of_february() -> None:
    month = interval("month", kind=TIMESTAMP)
    assert printed(TIMESTAMP, month.back(parse_time("2028-03-31 15:30:00"))) == "2028-02-29 15:30:00"


# -- the words ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "counted", "count"),
    [
        ("month", DATE, "months", 1),
        ("Quarter", DATE, "months", 3),
        ("2 years", DATE, "months", 24),
        ("2 weeks", DATE, "days", 14),
        (" 6  hours ", TIMESTAMP, "hours", 6),
        ("1000000", INTEGER, "numbers", 1_000_000),
    ],
)
def test_intervals_in_words(text: str, kind: str, counted: str, count: int) -> None:
    found = parse_interval(text, kind)
    assert (found.counted, found.count) == (counted, count)


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("fortnight", DATE, "not understood"),
        ("", DATE, "not understood"),
        ("-1 day", DATE, "not understood"),
        ("1.5 days", DATE, "not understood"),
        ("0 days", DATE, "at least one"),
        ("0", INTEGER, "at least one"),
        ("hour", DATE, "knows no hours"),
        ("month", INTEGER, "whole number"),
        ("1000", TIMESTAMPTZ, "a number"),
    ],
)
def test_intervals_that_do_not_fit(text: str, kind: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        parse_interval(text, kind)


def test_a_zone_does_not_move_keys_without_one() -> None:
    zone: tzinfo = ZoneInfo("Asia/Tokyo")
    assert parse_interval("day", TIMESTAMP, zone).period(0) == parse_interval("day", TIMESTAMP, timezone.utc).period(0)
