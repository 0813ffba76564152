# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Checks of rooms that hold only a few: sequences, statements, the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import (
    custom,
    sequences,
    statements,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import Check, Levels, Measure, shown_count
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed


def _sequences(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(sequences.SEQUENCES):
        row = seen.row
        yield Measure(
            row.used_percent,
            f"Sequence {row.sequence} stands at {row.last_value:,} of {row.end_value:,} ({row.used_percent:.1f} %).",
            row.sequence,
            seen.database,
        )


def _statements(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(statements.STATEMENTS):
        row = seen.row
        yield Measure(
            row.mean_milliseconds,
            f"A statement of {row.role} takes {row.mean_milliseconds:,.0f} ms on average "
            f"over {shown_count(row.calls, 'call')}: {row.query}",
            row.query_id,
            row.statement_database,
        )


CHECKS = (
    Check(
        name="sequence_used_percent",
        subset="sequences",
        unit="%",
        measure=_sequences,
        remedy="Widen the column to bigint before the sequence ends; from then on inserts fail.",
        levels=Levels(warning=75, critical=90),
    ),
    Check(
        name="statement_mean_milliseconds",
        subset="statements",
        unit="ms",
        measure=_statements,
        remedy="Read its plan with EXPLAIN (ANALYZE, BUFFERS) and look for an index that serves it.",
    ),
)


def custom_check(options: Mapping[str, Any]) -> Check:
    """A check of the user's own, judged like all others."""
    return Check(
        name=options["name"],
        subset="custom",
        unit=options.get("unit") or "",
        measure=_custom(options["name"], options.get("sentence"), options.get("unit") or ""),
        remedy=options.get("remedy") or "",
        above=options.get("worse", "above") == "above",
        levels=Levels(options.get("info"), options.get("warning"), options.get("critical")),
    )


def _custom(name: str, sentence: str | None, unit: str) -> Callable[[Observed], Sequence[Measure]]:
    def measure(observed: Observed) -> Sequence[Measure]:
        return [
            Measure(seen.row.value, sentence or _said(seen.row, unit), seen.row.object, seen.database)
            for seen in observed.of(custom.CUSTOM_VALUES)
            if seen.row.check == name
        ]

    return measure


def _said(row: custom.CustomValue, unit: str) -> str:
    on = f" on {row.object}" if row.object else ""
    return f"{row.check}{on} is {f'{row.value:g} {unit}'.rstrip()}."
