"""Write the table of all checks from the code that judges by them: `make docs-table`.

The page is committed, so that it can be read where nothing is built, and a
unit test holds it equal to what this yields.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".lab/collections"))

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import (  # noqa: E402
    PROBES,
    backups,
    bloat,
    custom,
    keeper,
    pooler,
    sequences,
    statements,
    storage,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import Check, shown_bytes  # noqa: E402
from ansible_collections.runbook.postgres.plugins.module_utils._health.checks import CHECKS  # noqa: E402
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import (  # noqa: E402
    Observed,
    Probe,
    Seen,
    Server,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import SUBSETS  # noqa: E402

PAGE = ROOT / "docs/docsite/rst/reference_checks.rst"

HEAD = """\
..
   Written by tools/checks_table.py; edit the checks and run `make docs-table`.

.. _ansible_collections.runbook.postgres.docsite.reference_checks:

Checks and their levels
=======================

What :ansplugin:`runbook.postgres.pg_health_facts#module` judges, and by which levels unless its option
:ansopt:`runbook.postgres.pg_health_facts#module:thresholds` says otherwise. A value strictly beyond a level is a
finding; a level that is empty is off. Where a floor is given, what stays below it is not judged. What a check needs
beside a connection stands in its row, and how to grant it in
:ref:`the guide <ansible_collections.runbook.postgres.docsite.guide_health>`.

.. contents::
   :local:
   :depth: 1
"""

COLUMNS = ("Check", "Unit", "Worse", "Info", "Warning", "Critical", "Floor", "Needs", "Remedy")
WIDTHS = (14, 7, 5, 9, 9, 9, 11, 16, 20)

# What the questions without a privilege of their own in the code need all the same.
WRITTEN_DOWN = "the module on the database host, where it was written down"
NEEDS = {
    backups.BACKUPS: WRITTEN_DOWN,
    backups.DUMPS: "the module on the database host, as a user who may read the dumps",
    backups.DRILLS: WRITTEN_DOWN,
    storage.DISKS: "the module on the database host, as a user who may look into the data directory",
    custom.TRANSACTION_RATE: "option ``baseline``",
    pooler.POOLS: "option ``pgbouncer``",
    pooler.POOLER_TOTALS: "option ``pgbouncer``",
    pooler.POOLER_DOWN: "option ``pgbouncer``",
    keeper.KEEPER: "option ``patroni``",
    keeper.KEPT_MEMBERS: "option ``patroni``",
    keeper.KEEPER_DOWN: "option ``patroni``",
    bloat.TABLE_BLOAT: "SELECT on the tables, and their last ANALYZE",
    bloat.INDEX_BLOAT: "SELECT on the tables, and their last ANALYZE",
    sequences.SEQUENCES: "SELECT on the sequences",
    statements.STATEMENTS: "``pg_monitor``, extension ``pg_stat_statements``",
}


class Consulted(Observed):
    """Remembers which questions a check looks at; each has been asked, of a primary, and has no rows."""

    def __init__(self) -> None:
        primary: dict[str, Any] = {each.name: "" for each in fields(Server)}
        super().__init__(Server(**{**primary, "role": "primary"}), {probe.name: [] for probe in PROBES})
        self.probes: list[Probe] = []

    def of(self, probe: Probe) -> list[Seen]:
        self.probes.append(probe)
        return super().of(probe)


def consulted(check: Check) -> list[Probe]:
    """The questions that a check rests on, as it names them itself."""
    seen = Consulted()
    list(check.measure(seen))
    return list(dict.fromkeys(seen.probes))


def needs(probe: Probe) -> list[str]:
    told = [f"a {probe.role}"] if probe.role else []
    if probe in NEEDS:
        return [*told, NEEDS[probe]]
    if probe.needs_monitor or "pg_monitor" in probe.advice:
        return [*told, "``pg_monitor``"]
    return [*told, probe.advice] if probe.advice else told


def needed(check: Check) -> str:
    probes = consulted(check)
    other = sorted({probe.subset for probe in probes} - {check.subset})
    told = [need for probe in probes for need in needs(probe)]
    return "; ".join(dict.fromkeys([*told, *(f"subset ``{name}``" for name in other)]))


def shown(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if "bytes" in unit and value:
        return f"{value:,} ({shown_bytes(value)})"
    return f"{value:,}"


def cells(check: Check) -> tuple[str, ...]:
    levels = check.levels
    floor = f"{shown(levels.floor, check.floor_of)} {check.floor_of}" if levels.floor is not None else ""
    return (
        f"``{check.name}``",
        check.unit,
        "more" if check.above else "less",
        *(shown(value, check.unit) for value in (levels.info, levels.warning, levels.critical)),
        floor,
        needed(check),
        check.remedy,
    )


def table(checks: list[Check]) -> Iterator[str]:
    yield ".. list-table::"
    yield "   :header-rows: 1"
    yield f"   :widths: {' '.join(map(str, WIDTHS))}"
    yield ""
    for row in (COLUMNS, *map(cells, checks)):
        for number, cell in enumerate(row):
            yield f"   {' ' if number else '*'} - {cell}".rstrip()


def page() -> str:
    lines = [HEAD]
    for subset in SUBSETS:
        checks = [check for check in CHECKS.values() if check.subset == subset]
        if checks:
            lines += [subset, "-" * len(subset), "", *table(checks), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
