"""Ages and sizes, from people and for people."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.words import (
    age_words,
    parse_age,
    parse_size,
    size_words,
)
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("0", timedelta()),
        ("26 hours", timedelta(hours=26)),
        ("30d", timedelta(days=30)),
        ("1 week", timedelta(days=7)),
        ("90 min", timedelta(minutes=90)),
        ("1.5 h", timedelta(minutes=90)),
        ("2 Days", timedelta(days=2)),
    ],
)
def test_ages(text: str, age: timedelta) -> None:
    assert parse_age("max_age", text) == age


@pytest.mark.parametrize("text", ["", "1", "a day", "3 moons", "-1 day", "1 s s"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="max_age"):
        parse_age("max_age", text)


def test_sizes() -> None:
    assert parse_size("expected_size", "20 GB") == 20_000_000_000
    with pytest.raises(Refused, match="expected_size"):
        parse_size("expected_size", "20 parsecs")
    assert [size_words(number) for number in (0, 999, 1000, 12_345_678, 2e15)] == [
        "0 bytes",
        "999 bytes",
        "1 kB",
        "12.3 MB",
        "2000 TB",
    ]


def test_ages_read_well() -> None:
    assert [age_words(timedelta(seconds=number)) for number in (0, 1, 3600, 93_600, 86_400 * 30)] == [
        "0 seconds",
        "1 second",
        "1 hour",
        "26 hours",
        "30 days",
    ]
