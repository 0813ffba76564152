"""How long clients waited, as their own log of commits has it."""

from __future__ import annotations

import demo
import pytest


def line(client: int, seconds: int, microseconds: int) -> str:
    return f"{client} 1 900 0 {seconds} {microseconds}\n"


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("", 0),
        (line(0, 100, 5), 0),
        # Of another client than the one that waited longest.
        (line(0, 100, 0) + line(1, 100, 400_000) + line(0, 100, 900_000), 500),
        # Each client's lines by themselves are in order, those of all are not.
        (line(0, 100, 0) + line(0, 102, 0) + line(1, 101, 0) + line(1, 103, 250_000), 1250),
        (line(0, 100, 999_000) + line(1, 101, 1_000), 2),
        # It was ended in the middle of its last line.
        (line(0, 100, 0) + line(0, 101, 0) + "0 2 800 0 17", 1000),
        (line(0, 100, 0) + line(0, 101, 0) + "0 2 800 0 101 9\n"[:12], 1000),
    ],
)
def test_the_longest_time_without_a_commit(log: str, expected: int) -> None:
    assert demo.longest_pause_ms(log) == expected
