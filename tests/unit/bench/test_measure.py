"""Both sides in turns, medians, and an end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from bench.measure import Comparison, Pair, compare, timed


def sampler(name: str, log: list[str], values: Iterable[float]) -> Iterator[float]:
    for value in values:
        log.append(name)
        yield value


def pair(log: list[str], ours: Iterable[float], theirs: Iterable[float]) -> Pair:
    ours_next, theirs_next = sampler("ours", log, ours), sampler("theirs", log, theirs)
    return Pair(lambda: next(ours_next), lambda: next(theirs_next))


def ticking(step: float) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += step


def test_medians_leave_out_the_warm_up_and_outliers() -> None:
    measured = compare(pair([], [99, 1, 2, 30], [99, 4, 4, 5]), rounds=3, bound=60)
    assert measured == Comparison(ours=2, theirs=4)
    assert measured.ratio == 0.5


def test_both_sides_take_turns_in_going_first() -> None:
    log: list[str] = []
    compare(pair(log, [1] * 9, [1] * 9), rounds=4, bound=60)
    warm_up, rounds = log[:2], log[2:]
    assert warm_up == ["theirs", "ours"]
    assert rounds == ["theirs", "ours", "ours", "theirs", "theirs", "ours", "ours", "theirs"]


@pytest.mark.parametrize(("step", "rounds"), [(0.0, 9), (25.0, 3), (10.0, 4), (1000.0, 3)])
def test_no_round_begins_after_the_bound_but_three_are_run(step: float, rounds: int) -> None:
    log: list[str] = []
    clock = ticking(step)
    compare(pair(log, [1] * 20, [1] * 20), rounds=9, bound=50, clock=lambda: next(clock))
    assert log.count("ours") == log.count("theirs") == rounds + 1


def test_nothing_to_compare_with_is_infinitely_worse() -> None:
    assert Comparison(1, 0).ratio == float("inf")


def test_nothing_is_as_good_as_nothing() -> None:
    """As where no transaction of either side failed."""
    assert Comparison(0, 0).ratio == 1


def test_timed_is_what_the_clock_says() -> None:
    clock = iter([10.0, 12.5])
    assert timed(lambda: None, clock=lambda: next(clock)) == 2.5
