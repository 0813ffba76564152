"""docs/runbooks.md promises something for every procedure: hold it to that."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAST = {"A": 24, "B": 22, "C": 14, "D": 23, "E": 15}
ROW = re.compile(r"^\| (?P<id>[A-E]\d+) \| (?P<procedure>[^|]+) \| (?P<runs_as>[^|]+) \| (?P<how_far>[^|]+) \|$")
PLAYBOOK = re.compile(r"`runbook\.postgres\.(\w+)`")


def rows() -> list[dict[str, str]]:
    lines = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8").splitlines()
    return [match.groupdict() for match in map(ROW.match, lines) if match]


def names() -> list[str]:
    return sorted({name for row in rows() for name in PLAYBOOK.findall(row["runs_as"])})


def test_every_procedure_appears_exactly_once() -> None:
    expected = [f"{letter}{number}" for letter, last in LAST.items() for number in range(1, last + 1)]
    assert Counter(row["id"] for row in rows()) == Counter(expected)


def test_a_procedure_is_either_planned_or_runs_as_something() -> None:
    confused = [row["id"] for row in rows() if (row["how_far"] == "planned") != (row["runs_as"] == "-")]
    assert confused == []


@pytest.mark.parametrize("name", names())
def test_what_a_row_names_exists(name: str) -> None:
    places = [ROOT / "playbooks" / f"{name}.yml", ROOT / "plugins/modules" / f"{name}.py"]
    assert any(place.exists() for place in places)


@pytest.mark.parametrize("name", [name for name in names() if not name.startswith("pg_")])
def test_a_playbook_names_in_its_header_the_procedures_it_covers(name: str) -> None:
    text = (ROOT / "playbooks" / f"{name}.yml").read_text(encoding="utf-8")
    header = " ".join(line for line in text.splitlines() if line.startswith("#"))
    covered = {row["id"] for row in rows() if name in PLAYBOOK.findall(row["runs_as"])}
    assert covered == ids_in(header)


def ids_in(header: str) -> set[str]:
    """Ids of a header comment, where `B1-B5` stands for five of them."""
    found: set[str] = set()
    for letter, first, last in re.findall(r"\b([A-E])(\d+)(?:-\1?(\d+))?\b", header):
        found |= {f"{letter}{number}" for number in range(int(first), int(last or first) + 1)}
    return found


def test_ranges_in_a_header_are_understood() -> None:
    assert ids_in("# Covers B1-B3, C7, D18-20.") == {"B1", "B2", "B3", "C7", "D18", "D19", "D20"}
