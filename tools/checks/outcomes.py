"""What came of the checks: counts, and the table that ends a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree

from checks.parts import Part, Step

T = TypeVar("T")


@dataclass(frozen=True)
class Count:
    """Tests by outcome."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass(frozen=True)
class Outcome:
    """How one step went."""

    part: Part
    step: Step
    state: str  # ok, failed, not run
    seconds: float = 0.0
    count: Count = field(default_factory=Count)
    note: str = ""


def figures(report: Path | None, read: Callable[[str], T]) -> T | None:
    """What a report says; None when there is none or it was cut off, which the exit code tells already."""
    if report is None:
        return None
    try:
        return read(report.read_text(encoding="utf-8"))
    except (OSError, ValueError, LookupError, ElementTree.ParseError):
        return None


def read_junit(text: str) -> Count:
    """The tests of a pytest run; an error in a fixture or a file is a failure."""
    suites = list(ElementTree.fromstring(text).iter("testsuite"))
    total, failed, skipped = (
        sum(int(suite.get(name, "0")) for suite in suites for name in names)
        for names in (("tests",), ("failures", "errors"), ("skipped",))
    )
    return Count(total - failed - skipped, failed, skipped)


def read_coverage(text: str) -> str:
    """Line and branch coverage in words."""
    totals = json.loads(text)["totals"]
    if not totals.get("num_branches"):
        return f"coverage {totals['percent_covered']:.1f}%, no branches"
    share = 100 * totals["covered_branches"] / totals["num_branches"]
    return f"coverage {totals['percent_covered']:.1f}%, branches {share:.1f}%"


def tally(exit_code: int, tests: Count | None) -> Count:
    """What a step adds to the totals.

    A step without tests counts as one. So does a pytest run that failed though
    its tests did not, or before it had any: an exit code is never lost.
    """
    if tests is None:
        return Count(passed=1) if exit_code == 0 else Count(failed=1)
    if exit_code != 0 and tests.failed == 0:
        return tests + Count(failed=1)
    return tests


def duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Parts and their steps with times, one line each."""
    rows: list[tuple[str, str, str, str]] = []
    for part in dict.fromkeys(outcome.part for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.part == part]
        seconds = duration(sum(outcome.seconds for outcome in mine))
        rows.append((part.name, seconds, "ok" if all(outcome.state == "ok" for outcome in mine) else "FAILED", ""))
        rows.extend(
            (f"  {outcome.step.title}", duration(outcome.seconds), outcome.state, outcome.note) for outcome in mine
        )
    title_width = max((len(row[0]) for row in rows), default=0)
    time_width = max((len(row[1]) for row in rows), default=0)
    return [
        f"{title:<{title_width}}  {seconds:>{time_width}}  {state:<7}  {note}".rstrip()
        for title, seconds, state, note in rows
    ]


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """The end of the output: the table, what to repeat, and the totals alone in the last line."""
    lines = ["", *table(outcomes)]
    for outcome in outcomes:
        if outcome.state == "failed":
            lines.append("")
            lines.append(f"To repeat {outcome.step.title}: {outcome.part.command()}")
            lines.append(f"  or exactly: {outcome.step.command()}")
    return [*lines, "", str(sum((outcome.count for outcome in outcomes), Count()))]
