"""`python -m bench [name]`: measure all, or what starts with the name, print the table, keep the figures."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from lab.checkout import ROOT
from lab.errors import LabError

from . import backup, converge, handover, health, partition, report, restore
from .measure import compare
from .registry import Group, chosen, names

GROUPS: tuple[Group, ...] = (
    health.GROUP,
    partition.GROUP,
    backup.GROUP,
    restore.GROUP,
    handover.GROUP,
    converge.GROUP,
)
RESULTS = ROOT / "build" / "bench.json"


def say(text: str) -> None:
    print(text, flush=True)


def main(arguments: Sequence[str]) -> None:
    prefix = arguments[0] if arguments else ""
    every = names(GROUPS)
    if len(arguments) > 1 or not any(name.startswith(prefix) for name in every):
        raise LabError(
            f"There is no benchmark '{' '.join(arguments)}'; give one name, or how it begins: {', '.join(every)}."
        )
    known = report.read(RESULTS)
    rows: list[tuple[report.Entry, str]] = []
    for group, benchmarks in chosen(GROUPS, prefix):
        with group.open([each.name for each in benchmarks], say) as pairs:
            for benchmark in benchmarks:
                began = time.monotonic()
                measured = compare(pairs[benchmark.name], benchmark.rounds, benchmark.bound)
                say(f"Measured {benchmark.name} in {time.monotonic() - began:.0f} s")
                rows.append((report.entry(benchmark, measured), report.verdict(benchmark, measured)))
                # After each, so that an interrupted run keeps what it has.
                report.write(RESULTS, report.merged(known, [each for each, _ in rows], every))
    say("\n" + "\n".join(report.table(rows)))
    say(f"\nThe figures are in {RESULTS.relative_to(ROOT)}.")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except LabError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted; what was measured by then is kept.")
