"""What there is to measure. A new group is a file with a GROUP in it and a line in GROUPS."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

from .measure import Pair

Say = Callable[[str], None]


@dataclass(frozen=True)
class Aim:
    """A limit that our side wants to stay under: of the ratio, or of our own figure."""

    of: Literal["ratio", "ours"]
    below: float

    def __str__(self) -> str:
        return f"{self.of} < {self.below:g}"

    def met(self, ours: float, ratio: float) -> bool:
        return (ratio if self.of == "ratio" else ours) < self.below


@dataclass(frozen=True)
class Benchmark:
    """One line of the table."""

    name: str
    peer: str
    unit: str
    conditions: str
    aim: Aim | None = None  # None where the figure is for information
    rounds: int = 9
    bound: float = 60.0  # seconds after which no further round begins


@dataclass(frozen=True)
class Group:
    """Benchmarks that share what takes long to set up.

    `open` sets up what the chosen names need, yields the two sides of each, and
    takes it down.
    """

    benchmarks: tuple[Benchmark, ...]
    open: Callable[[Collection[str], Say], AbstractContextManager[Mapping[str, Pair]]]


def chosen(groups: Collection[Group], prefix: str) -> Iterator[tuple[Group, list[Benchmark]]]:
    """The groups with those of their benchmarks whose names start with `prefix`."""
    for group in groups:
        wanted = [each for each in group.benchmarks if each.name.startswith(prefix)]
        if wanted:
            yield group, wanted


def names(groups: Collection[Group]) -> list[str]:
    return [each.name for group in groups for each in group.benchmarks]
