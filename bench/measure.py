"""How two things are compared: in turns, in one run, by their medians."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Sampler = Callable[[], float]


@dataclass(frozen=True)
class Pair:
    """One sample of each side for each call, in the same unit."""

    ours: Sampler
    theirs: Sampler


@dataclass(frozen=True)
class Comparison:
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """How much of the peer's figure ours is: below one is better than the peer. Nothing is as good as nothing."""
        if self.ours == self.theirs:
            return 1.0
        return self.ours / self.theirs if self.theirs else float("inf")


def compare(
    pair: Pair, rounds: int, bound: float, clock: Callable[[], float] = time.monotonic, least: int = 3
) -> Comparison:
    """Medians of samples taken in turns, so that whatever slows the machine down slows both sides.

    The first sample of each side is thrown away: it fills caches. Beyond `bound`
    seconds no round begins, once there are `least` of them.
    """
    pair.theirs()
    pair.ours()
    ours: list[float] = []
    theirs: list[float] = []
    began = clock()
    while len(ours) < rounds and (clock() - began < bound or len(ours) < least):
        # Whoever goes second may find caches as the other left them; so they take turns in that too.
        sides = [(pair.theirs, theirs), (pair.ours, ours)]
        for sample, samples in sides if len(ours) % 2 == 0 else reversed(sides):
            samples.append(sample())
    return Comparison(median(ours), median(theirs))


def timed(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that `work` takes."""
    began = clock()
    work()
    return clock() - began
