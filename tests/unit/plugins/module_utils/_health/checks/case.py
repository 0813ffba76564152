"""What a check says just beyond a default level and just not beyond it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed, Probe
from tests.unit.plugins.rows import observed, row


@dataclass(frozen=True)
class Case:
    check: str
    severity: str
    beyond: Observed
    within: Observed
    # Left out where an earlier case of the check has already told the sentence.
    message: str | None = None
    object: str | None = None
    database: str | None = None
    # For checks that have no level unless the user gives one.
    thresholds: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.check}-{self.severity}"


def stepped(
    check: str,
    probe: Probe,
    column: str,
    steps: Sequence[tuple[str, Any, Any]],
    message: str,
    object: str | None = None,  # noqa: A002 - the finding's own word
    database: str | None = None,
    thresholds: Mapping[str, Any] | None = None,
    **values: Any,
) -> list[Case]:
    """A case for each (severity, value just within, value just beyond) of one column of a row."""
    # Rows of a whole server name the database in a column of their own.
    own = {"database": database} if "database" in {each.name for each in fields(probe.row)} else {}

    def seen(value: Any) -> Observed:
        return observed((probe, row(probe.row, **{**values, **own, column: value})), database=None if own else database)

    return [
        Case(
            check,
            severity,
            beyond=seen(beyond),
            within=seen(within),
            message=None if number else message,
            object=object,
            database=database,
            thresholds=thresholds or {},
        )
        for number, (severity, within, beyond) in enumerate(steps)
    ]


def present(check: str, probe: Probe, severity: str, message: str, **values: Any) -> list[Case]:
    """A case of which every row is a finding, and only its absence is none."""
    told = {name: values.pop(name, None) for name in ("object", "in_database")}
    seen = observed((probe, row(probe.row, **values)), database=told["in_database"])
    return [
        Case(
            check,
            severity,
            beyond=seen,
            within=observed(),
            message=message,
            object=told["object"],
            database=told["in_database"] or values.get("database"),
        )
    ]
