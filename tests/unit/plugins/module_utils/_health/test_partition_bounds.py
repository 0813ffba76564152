"""How far partitions reach, read from bounds as the server prints them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._health.partition_bounds import (
    moment,
    partitions_ahead,
)

NOW = "2030-06-15 12:00:00"


def ranges(*ends: str) -> list[str]:
    """Ranges that follow each other, from bounds as they stand in SQL."""
    return [f"FOR VALUES FROM ({lower}) TO ({upper})" for lower, upper in zip(ends, ends[1:], strict=False)]


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ([], (None, None)),
        (ranges("'2030-06-01'", "'2030-07-01'"), (0, "2030-07-01")),
        (ranges("'2030-06-01'", "'2030-07-01'", "'2030-08-01'", "'2030-09-01'"), (2, "2030-09-01")),
        (ranges("'2030-01-01'", "'2030-02-01'"), (0, "2030-02-01")),
        (ranges("'2030-06-15 00:00:00'", "'2030-06-16 00:00:00'", "'2030-06-17 00:00:00'"), (1, "2030-06-17 00:00:00")),
        (ranges("'2030-06-15 12:00:00+00'", "'2030-06-15 13:00:00+00'"), (0, "2030-06-15 13:00:00+00")),
        (ranges("'2030-06-15 12:00:01+00'", "'2030-06-15 13:00:00+00'"), (1, "2030-06-15 13:00:00+00")),
        (ranges("'2030-06-15 12:30:00.25+00'", "'2030-06-15 13:00:00.5+00'"), (1, "2030-06-15 13:00:00.5+00")),
        (ranges("MINVALUE", "'2030-07-01'", "'2030-08-01'"), (1, "2030-08-01")),
        (ranges("'-infinity'", "'2030-07-01'"), (0, "2030-07-01")),
        (ranges("'2030-06-01'", "'2030-07-01'", "MAXVALUE"), (None, None)),
        (ranges("'2030-06-01'", "'2030-07-01'", "'infinity'"), (None, None)),
        (ranges("'2030-06-01'", "'9999-12-31'", "'10000-12-31'"), (1, "10000-12-31")),
        (ranges("'2030-06-01'", "'10000-01-01'", "'294276-12-31'"), (1, "294276-12-31")),
        (ranges("'4000-01-01 BC'", "'3000-01-01 BC'", "'2030-07-01'"), (0, "2030-07-01")),
        (ranges("'4000-01-01 00:00:00+00 BC'", "'2030-07-01'"), (0, "2030-07-01")),
        # Not ranges of time: nothing can be said.
        (["DEFAULT"], (None, None)),
        (["FOR VALUES IN ('a', 'b')"], (None, None)),
        (["FOR VALUES WITH (modulus 4, remainder 0)"], (None, None)),
        (ranges("1", "1000"), (None, None)),
        (ranges("'a'", "'b'"), (None, None)),
        (["", "FROM () TO ()", "FROM ('2030", "FOR VALUES FROM ('2030-06-01') TO"], (None, None)),
        (["DEFAULT", *ranges("'2030-06-01'", "'2030-07-01'", "'2030-08-01'")], (1, "2030-08-01")),
    ],
)
def test_ranges_that_begin_after_now_are_counted(bounds: list[str], expected: tuple[int | None, str | None]) -> None:
    assert partitions_ahead(bounds, NOW) == expected
    assert partitions_ahead(bounds[::-1], NOW) == expected


def test_without_a_present_nothing_is_ahead() -> None:
    assert partitions_ahead(ranges("'2030-06-01'", "'2030-07-01'"), "whenever") == (None, None)


@given(st.text())
def test_junk_is_no_moment(text: str) -> None:
    assert moment(f"'x{text}'") is None
    assert partitions_ahead([text], NOW) == (None, None)


@given(st.lists(st.dates(), min_size=2, unique=True), st.dates())
def test_as_many_are_ahead_as_begin_later(days: list[object], today: object) -> None:
    ordered = sorted(map(str, days))
    ahead, newest = partitions_ahead(ranges(*(f"'{day}'" for day in ordered)), f"{today} 00:00:00")
    assert ahead == sum(1 for day in ordered[:-1] if day > str(today))
    assert newest == ordered[-1]
