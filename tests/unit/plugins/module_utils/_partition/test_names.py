"""Names fit, differ, and are cut between characters."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import (
    DATE,
    DAY,
    INTEGER,
    TIMESTAMPTZ,
    Range,
    parse_time,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.interval import parse_interval
from ansible_collections.runbook.postgres.plugins.module_utils._partition.names import (
    default_name,
    partition_name,
    template_for,
)
from tests.unit.plugins.module_utils._partition.model import policy

PROPERTY = settings(derandomize=True, deadline=None, max_examples=400)

# What a table can be called: at most 63 bytes, any character but NUL.
titles = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=63).filter(
    lambda name: len(name.encode()) <= 63
)
numbers = st.integers(-(2**62), 2**62)


def name(text: str, at: str, template: str | None = None, *, zone: str = "UTC", kind: str = TIMESTAMPTZ) -> str:
    interval = policy(text, kind, zone).interval
    return partition_name(template_for(interval, template), "events", interval.period(parse_time(at)), interval, set())


@pytest.mark.parametrize(
    ("interval", "wanted"),
    [
        ("hour", "events_p2026_02_28_13"),
        ("day", "events_p2026_02_28"),
        ("week", "events_p2026_02_23"),
        ("month", "events_p2026_02"),
        ("quarter", "events_p2026_01"),
        ("year", "events_p2026"),
        ("2 years", "events_p2026"),
    ],
)
def test_each_interval_has_names_of_its_own(interval: str, wanted: str) -> None:
    assert name(interval, "2026-02-28 13:30:00") == wanted


def test_days_are_named_as_the_clock_shows_them() -> None:
    assert name("day", "2026-02-28 23:30:00", zone="Europe/Berlin") == "events_p2026_03_01"


def test_numbers_below_zero_have_a_name_without_a_sign() -> None:
    interval = policy("10").interval
    assert partition_name(template_for(interval, None), "t", interval.period(-5), interval, set()) == "t_pm10"


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("{table}_{year}{month}", "events_202602"),
        ("{year}-{month}-{day} of {table}", "2026-02-01 of events"),
        ("p{lower}_{upper}", "p1769904000000000_1772323200000000"),
        ('"; DROP TABLE {table}; --{year}{month}', '"; DROP TABLE events; --202602'),
        ("100%_{table}", "100%_events"),
    ],
)
def test_templates(template: str, wanted: str) -> None:
    assert name("month", "2026-02-28 13:30:00", template) == wanted


@pytest.mark.parametrize("template", ["{tabel}", "{table", "{table}{", "{}", "{table!r}", "{table:>9}", "", "x" * 31])
def test_templates_that_are_refused(template: str) -> None:
    with pytest.raises(Refused, match="name_template"):
        template_for(policy().interval, template)


@PROPERTY
@given(titles, numbers, st.sampled_from([None, "{table}", "{table}_p{lower}_{upper}", "é{lower}{table}ü", "{table}é"]))
def test_names_fit_and_are_told_apart(title: str, lower: int, template: str | None) -> None:
    interval = parse_interval("10", INTEGER)
    taken = {title}
    for step in range(4):
        period = Range(lower + 10 * step, lower + 10 * step + 10)
        made = partition_name(template_for(interval, template), title, period, interval, taken)
        assert 1 <= len(made.encode()) <= 63
        assert made not in taken
        # A character that was cut in two would not survive.
        assert made.encode().decode() == made
        taken.add(made)


@PROPERTY
@given(titles, numbers)
def test_the_same_plan_made_twice_names_the_same(title: str, lower: int) -> None:
    interval, period = parse_interval("10", INTEGER), Range(lower, lower + 10)
    taken = {title, partition_name("{table}_p{lower}", title, period, interval, set())}
    first = partition_name("{table}_p{lower}", title, period, interval, taken)
    assert first == partition_name("{table}_p{lower}", title, period, interval, taken)
    assert first not in taken
    # Not even when somebody took that one, too.
    assert partition_name("{table}_p{lower}", title, period, interval, {*taken, first}) not in {*taken, first}


def test_long_names_keep_the_end_that_tells_periods_apart() -> None:
    interval = policy("month", DATE).interval
    period = interval.period(parse_time("2026-02-28") // DAY * DAY)
    made = partition_name("{table}_p{year}_{month}", "a" + "ü" * 31, period, interval, set())
    assert made == "a" + "ü" * 26 + "_p2026_02"
    assert len(made.encode()) == 62


@PROPERTY
@given(titles, st.integers(0, 12))
def test_default_partitions_fit_and_are_free(title: str, others: int) -> None:
    taken = {title}
    for _other in range(others + 1):
        made = default_name(title, taken)
        assert made not in taken
        assert len(made.encode()) <= 63
        taken.add(made)
