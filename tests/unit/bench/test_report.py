"""The figures that are kept, and the table that is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.measure import Comparison
from bench.registry import Aim, Benchmark
from bench.report import Entry, entry, merged, read, table, verdict, write
from lab.errors import LabError

FAST = Benchmark("a_fast", "other", "s", "one server", Aim("ratio", 0.33))
SMALL = Benchmark("b_small", "other", "MB", "one server", Aim("ours", 100))
PLAIN = Benchmark("c_plain", "least", "s", "no server")


def measured(benchmark: Benchmark, ours: float = 1, theirs: float = 4) -> Entry:
    return entry(benchmark, Comparison(ours, theirs))


def test_the_entry_has_what_is_promised() -> None:
    assert measured(FAST) == Entry("a_fast", "other", 1, 4, 0.25, "ratio < 0.33", "s", "one server")
    assert measured(PLAIN).aim is None


@pytest.mark.parametrize(
    ("benchmark", "ours", "theirs", "said"),
    [
        (FAST, 1, 4, "met"),
        (FAST, 2, 4, "missed"),
        (SMALL, 99, 10, "met"),
        (SMALL, 100, 1000, "missed"),
        (PLAIN, 9, 1, ""),
    ],
)
def test_an_aim_is_of_the_ratio_or_of_our_own_figure(
    benchmark: Benchmark, ours: float, theirs: float, said: str
) -> None:
    assert verdict(benchmark, Comparison(ours, theirs)) == said


def test_new_figures_replace_old_ones_and_leave_the_others() -> None:
    old = [measured(SMALL), measured(FAST), measured(Benchmark("gone", "x", "s", ""))]
    new = measured(FAST, ours=3)
    assert merged(old, [new], ["a_fast", "b_small", "c_plain"]) == [new, old[0]]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    assert read(path) == []
    write(path, [measured(FAST), measured(PLAIN)])
    assert read(path) == [measured(FAST), measured(PLAIN)]
    assert set(json.loads(path.read_text())[0]) == {
        *("name", "peer", "ours", "theirs", "ratio", "aim", "unit", "conditions"),
    }
    assert [each.name for each in path.parent.iterdir()] == ["bench.json"]


@pytest.mark.parametrize("text", ["", "{", "{}1", '[{"name": "x"}]', '["x"]', "3"])
def test_a_file_of_somebody_else_is_not_overwritten_silently(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bench.json"
    path.write_text(text)
    with pytest.raises(LabError, match="remove it and repeat"):
        read(path)


def test_the_table_is_aligned_and_says_the_conditions_once() -> None:
    lines = table([(measured(FAST, 2), "missed"), (measured(SMALL, 12345), "met"), (measured(PLAIN), "")])
    assert lines[0].split() == ["name", "ours", "peer's", "unit", "ratio", "aim", "peer"]
    assert lines[1].split() == ["a_fast", "2", "4", "s", "0.50", "ratio", "<", "0.33", "missed", "other"]
    assert len({line.index("other") for line in lines[1:3]}) == 1
    assert lines[4:] == ["", "a_fast, b_small: one server", "c_plain: no server"]
