"""A table that lives in memory: plans are applied to it as the server would."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import INTEGER, Range
from ansible_collections.runbook.postgres.plugins.module_utils._partition.interval import parse_interval
from ansible_collections.runbook.postgres.plugins.module_utils._partition.names import template_for
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import (
    Partition,
    PartitionedTable,
    Policy,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.steps import (
    Create,
    CreateDefault,
    Detach,
    Drop,
    Fill,
    FinishDetach,
    Keep,
    RemoveDefault,
    Step,
)

_numbers = itertools.count(1)


def partition(name: str, lower: int | None, upper: int | None, **traits: bool) -> Partition:
    known: dict[str, Any] = {"is_default": False, "detach_pending": False, "is_partitioned": False, **traits}
    return Partition(next(_numbers), "public", name, Range(lower, upper), bytes=0, **known)


def unreadable(name: str, *, default: bool = False) -> Partition:
    return replace(partition(name, None, None), range=None, is_default=default)


def table(
    partitions: Iterable[Partition] = (), kind: str = INTEGER, name: str = "events", **more: object
) -> PartitionedTable:
    found = tuple(partitions)
    taken = frozenset({name, *(each.name for each in found)})
    made = PartitionedTable(1, "public", name, kind, found, marked=(), taken=taken)
    return replace(made, **more)  # type: ignore[arg-type]


def policy(interval: str = "10", kind: str = INTEGER, zone: str = "UTC", **more: object) -> Policy:
    parsed = parse_interval(interval, kind, ZoneInfo(zone))
    return replace(Policy(parsed, ahead=2, template=template_for(parsed, None)), **more)  # type: ignore[arg-type]


def applied(found: PartitionedTable, steps: Sequence[Step]) -> PartitionedTable:
    """The table after these steps; what the server would refuse is an error here too."""
    for step in steps:
        found = _after(found, step)
    return found


def _after(found: PartitionedTable, step: Step) -> PartitionedTable:
    here = {each.oid: each for each in found.partitions}
    orphans = {each.oid: each for each in found.marked}
    taken = set(found.taken)
    if isinstance(step, (Create, CreateDefault)) or (isinstance(step, Fill) and step.grown is None):
        assert step.name not in taken, "relation already exists"
        taken.add(step.name)
        new = unreadable(step.name, default=True)
        if not isinstance(step, CreateDefault):
            new = replace(partition(step.name, None, None), range=step.range)
            assert not any(each.range and each.range.overlaps(step.range) for each in here.values()), "would overlap"
        here[new.oid] = new
    elif isinstance(step, (FinishDetach, Detach)):
        gone = here.pop(step.partition.oid)
        if gone.marked or (isinstance(step, Detach) and step.then_drop):
            orphans[gone.oid] = replace(gone, range=None, marked=True, detach_pending=False)
    elif isinstance(step, Keep):
        here[step.partition.oid] = replace(here[step.partition.oid], marked=False)
    elif isinstance(step, Drop):
        taken.discard(orphans.pop(step.partition.oid).name)
    elif isinstance(step, RemoveDefault):
        taken.discard(here.pop(step.partition.oid).name)
    return replace(found, partitions=tuple(here.values()), marked=tuple(orphans.values()), taken=frozenset(taken))
