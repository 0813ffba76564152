"""Figures as a person says them."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._health.check import (
    shown_bytes,
    shown_count,
    shown_seconds,
)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"),
        (4.24, "4.2 s"),
        (9.99, "10.0 s"),
        (10, "10 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (3600 * 3 + 300, "3 h 5 min"),
        (86399, "23 h 59 min"),
        (86400, "1 d"),
        (86400 * 2 + 3600 * 4 + 59, "2 d 4 h"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert shown_seconds(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024 * 3.4, "3.4 KiB"),
        (1024**2 * 120, "120 MiB"),
        (1024**3, "1.0 GiB"),
        (1024**4, "1.0 TiB"),
        (1024**5 * 3, "3072 TiB"),
        (-2048, "-2.0 KiB"),
    ],
)
def test_sizes(count: float, shown: str) -> None:
    assert shown_bytes(count) == shown


@pytest.mark.parametrize(
    ("count", "words", "shown"),
    [
        (0, ("file",), "0 files"),
        (1, ("file",), "1 file"),
        (1234567, ("file",), "1,234,567 files"),
        (1, ("client waits", "clients wait"), "1 client waits"),
        (2, ("client waits", "clients wait"), "2 clients wait"),
    ],
)
def test_counts(count: int, words: tuple[str, ...], shown: str) -> None:
    assert shown_count(count, *words) == shown
