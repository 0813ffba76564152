"""The table for a person and build/bench.json for everything else."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lab.errors import LabError

from .measure import Comparison
from .registry import Benchmark

WIDTH = 110
HEADINGS = ("name", "ours", "peer's", "unit", "ratio", "aim", "", "peer")


@dataclass(frozen=True)
class Entry:
    """One measurement. `ratio` is ours divided by theirs; `aim` says what should stay below what."""

    name: str
    peer: str
    ours: float
    theirs: float
    ratio: float
    aim: str | None
    unit: str
    conditions: str


def entry(benchmark: Benchmark, measured: Comparison) -> Entry:
    return Entry(
        name=benchmark.name,
        peer=benchmark.peer,
        ours=round(measured.ours, 3),
        theirs=round(measured.theirs, 3),
        ratio=round(measured.ratio, 3),
        aim=None if benchmark.aim is None else str(benchmark.aim),
        unit=benchmark.unit,
        conditions=benchmark.conditions,
    )


def verdict(benchmark: Benchmark, measured: Comparison) -> str:
    """A missed aim is shown and is no failure: the machine may be busy, or the aim too bold."""
    if benchmark.aim is None:
        return ""
    return "met" if benchmark.aim.met(measured.ours, measured.ratio) else "missed"


def merged(known: Sequence[Entry], new: Sequence[Entry], order: Sequence[str]) -> list[Entry]:
    """The new entries and those of earlier runs, in the registry's order; what is not in it is gone."""
    by_name = {each.name: each for each in [*known, *new]}
    return [by_name[name] for name in order if name in by_name]


def read(path: Path) -> list[Entry]:
    """What an earlier run wrote; nothing where there was none."""
    if not path.exists():
        return []
    try:
        return [parsed(each) for each in json.loads(path.read_text())]
    except (ValueError, TypeError, KeyError):
        raise LabError(f"{path} is not what an earlier bench wrote; remove it and repeat.") from None


def parsed(record: dict[str, Any]) -> Entry:
    return Entry(**{each.name: record[each.name] for each in fields(Entry)})


def write(path: Path, entries: Sequence[Entry]) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps([asdict(each) for each in entries], indent=2) + "\n")
    part.replace(path)


def table(rows: Sequence[tuple[Entry, str]]) -> list[str]:
    """Entries with their verdicts, and below it the conditions they were measured under."""
    cells = [HEADINGS, *(cells_of(each, said) for each, said in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADINGS))]
    numbers = {1, 2, 4}
    lines = [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    conditions = dict.fromkeys(each.conditions for each, _ in rows)
    notes = (f"{', '.join(each.name for each, _ in rows if each.conditions == text)}: {text}" for text in conditions)
    return [*lines, "", *(textwrap.fill(note, WIDTH, subsequent_indent="  ") for note in notes)]


def cells_of(each: Entry, said: str) -> tuple[str, ...]:
    figures = (f"{each.ours:.3g}", f"{each.theirs:.3g}", each.unit, f"{each.ratio:.2f}")
    return (each.name, *figures, each.aim or "-", said, each.peer)
