"""Bounds survive being printed and read, however far from our time."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import (
    DATE,
    DAY,
    INTEGER,
    MICROSECONDS,
    TIMESTAMP,
    TIMESTAMPTZ,
    Range,
    civil,
    days_of,
    parse_bound,
    parse_time,
    point,
    printed,
)

PROPERTY = settings(derandomize=True, deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])


# What PostgreSQL's own timestamps span.
far = st.integers(days_of(-4712, 1, 1) * DAY, days_of(294276, 1, 1) * DAY)


@PROPERTY
@given(far, st.sampled_from([TIMESTAMP, TIMESTAMPTZ]))
def test_times_survive_being_printed(at: int, kind: str) -> None:
    assert parse_time(printed(kind, at)) == at


@PROPERTY
@given(far)
def test_dates_survive_being_printed(at: int) -> None:
    day = at // DAY * DAY
    assert parse_time(printed(DATE, day)) == day
    assert days_of(*civil(day // DAY)) == day // DAY


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("0001-01-01 BC", 0),
        ("4713-01-01 BC", -4712),
        ("10000-02-29 00:00:00", 10000),
        ("294276-12-31 00:00:00+00", 294276),
    ],
)
def test_years_beyond_the_calendar_of_the_language(text: str, year: int) -> None:
    assert civil(parse_time(text) // DAY)[0] == year


@PROPERTY
@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers_survive_being_printed(number: int) -> None:
    assert point(printed(INTEGER, number)) == number
    assert parse_bound(f"FOR VALUES FROM ('{number}') TO (MAXVALUE)") == Range(number, None)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
            Range(days_of(2026, 1, 1) * DAY, days_of(2026, 2, 1) * DAY),
        ),
        ("FOR VALUES FROM (MINVALUE) TO (10)", Range(None, 10)),
        ("FOR VALUES FROM ('-infinity') TO ('10')", Range(None, 10)),
        ("FOR VALUES FROM ('-5') TO ('infinity')", Range(-5, None)),
        # They hold no point that could be asked for, and are everything if read wrongly.
        ("FOR VALUES FROM ('infinity') TO (MAXVALUE)", None),
        ("FOR VALUES FROM (MINVALUE) TO ('-infinity')", None),
        ("FOR VALUES FROM (1, 2) TO (3, 4)", None),
        ("FOR VALUES IN (1)", None),
        ("DEFAULT", None),
        ("", None),
    ],
)
def test_bounds_as_the_server_prints_them(text: str, wanted: Range | None) -> None:
    assert parse_bound(text) == wanted


def test_moments_are_exact_to_the_microsecond() -> None:
    assert printed(TIMESTAMP, parse_time("2026-01-31 06:00:00.000001")) == "2026-01-31 06:00:00.000001"
    assert parse_time("2026-01-31 06:00:00.5") % MICROSECONDS == 500_000
