"""Which benchmarks a name picks."""

from __future__ import annotations

import pytest

from bench import __main__ as program
from bench.registry import Benchmark, Group, chosen, names
from lab.errors import LabError


def group(*wanted: str) -> Group:
    def never(*_: object) -> object:
        raise AssertionError("choosing must not set anything up")

    return Group(tuple(Benchmark(name, "p", "s", "") for name in wanted), never)  # type: ignore[arg-type]


FIRST, SECOND = group("health_a", "health_b"), group("backup_a")


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", ["health_a", "health_b", "backup_a"]),
        ("health", ["health_a", "health_b"]),
        ("health_b", ["health_b"]),
        ("a", []),
    ],
)
def test_a_name_picks_what_begins_with_it(prefix: str, expected: list[str]) -> None:
    assert [each.name for _, some in chosen([FIRST, SECOND], prefix) for each in some] == expected


def test_a_group_without_a_chosen_benchmark_is_not_opened() -> None:
    assert [each for each, _ in chosen([FIRST, SECOND], "backup")] == [SECOND]


def test_an_unknown_name_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(LabError, match=r"no benchmark 'helth'.*health_check_postgres, health_check_pgactivity"):
        program.main(["helth"])


def test_names_are_unique() -> None:
    every = names(program.GROUPS)
    assert len(set(every)) == len(every)
