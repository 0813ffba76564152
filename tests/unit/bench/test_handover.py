"""Which steps the benchmarks of handovers want, and which figures they take of them."""

from __future__ import annotations

import pytest

from bench.handover import BENCHMARKS, LOST, OURS, SWITCHED, THEIRS, pair
from bench.handover_sides import LOCKED, Seen

FIGURES = {
    "switchover": [Seen(0.5, 0, 30, 0), Seen(0.7, 0, 40, 0), Seen(0.6, 1, 50, 0)],
    "switchover_patroni": [Seen(2.0, 0, 20, 0)],
    SWITCHED: [Seen(4.0, 32, 6, 0)],
    "failover": [Seen(20.0, 3, 40, 2.5)],
    LOST: [Seen(30.0, 25, 35, 5.0)],
}


@pytest.mark.parametrize("name", [each.name for each in BENCHMARKS])
def test_each_has_the_steps_of_both_sides(name: str) -> None:
    wanted = name.rpartition("_")[0]
    taken = {step.what: FIGURES[step.what] for step in (*OURS, *THEIRS) if wanted in step.wanted_by}
    made = pair(taken, name)
    assert made.ours() >= 0
    assert made.theirs() > 0


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("switchover_pause", 0.6, 4.0),
        ("switchover_failed", 0, 32),
        ("switchover_patroni_pause", 2.0, 4.0),
        ("failover_commit", 2.5, 5.0),
        ("failover_seconds", 40, 35),
    ],
)
def test_medians_of_the_figure_that_it_is_named_after(name: str, ours: float, theirs: float) -> None:
    made = pair(FIGURES, name)
    assert (made.ours(), made.theirs()) == (ours, theirs)


def test_the_moment_at_which_patroni_has_the_lock() -> None:
    journal = (
        "1700000001.500000 pg2 patroni[7]: 00:00:01 INFO: no action. I am (pg2), a secondary\n"
        "1700000031.250000 pg2 patroni[7]: 00:00:31 INFO: promoted self to leader by acquiring session lock\n"
    )
    assert LOCKED.findall(journal) == ["1700000031.250000"]
