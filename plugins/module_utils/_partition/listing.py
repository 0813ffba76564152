# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A plan in words: a table's partitions before and after it, and what is odd about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.steps import (
    Archive,
    DropArchived,
    archive_line,
    size,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import Range
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import (
    Partition,
    PartitionedTable,
    Policy,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.steps import (
    Create,
    CreateDefault,
    Drop,
    Fill,
    RemoveDefault,
    Step,
    shown,
)

# Where a line stands, and the line.
_Placed = tuple[tuple[int, int, str], str]


def before(table: PartitionedTable) -> list[str]:
    return _ordered([_row(table, each) for each in table.partitions] + [_orphan(each) for each in table.marked])


def after(
    table: PartitionedTable, living: Sequence[Partition], expired: Sequence[Partition], steps: Sequence[Step]
) -> list[str]:
    gone = {each.oid for each in expired} | {each.partition.oid for each in steps if isinstance(each, RemoveDefault)}
    gone |= {each.grown.oid for each in steps if isinstance(each, Fill) and each.grown is not None}
    dropped = {each.partition.oid for each in steps if isinstance(each, (Drop, DropArchived))}
    stay = [each for each in living if each.oid not in gone]
    pending = [each for each in table.partitions if each.detach_pending and (each.marked or each.awaiting)]
    rows = [_row(table, each, kept=True) for each in stay]
    rows += [_orphan(each) for each in (*pending, *table.marked) if each.oid not in dropped]
    for step in steps:
        if isinstance(step, (Create, Fill)):
            period = step.range
            if isinstance(step, Fill) and step.grown is not None and step.grown.range is not None:
                period = Range(step.grown.range.lower, step.range.upper)
            rows.append(_placed(table, step.name, period, []))
        elif isinstance(step, CreateDefault):
            rows.append(((2, 0, step.name), f"{step.name} default"))
    return _ordered(rows) + [archive_line(step) for step in steps if isinstance(step, Archive)]


def _row(table: PartitionedTable, partition: Partition, *, kept: bool = False) -> _Placed:
    notes = []
    if partition.detach_pending:
        notes.append("detach pending")
    if partition.marked and not kept:
        notes.append("to be dropped")
    if partition.awaiting and not kept:
        notes.append("to be archived")
    notes += _size(partition)
    if partition.is_default:
        return (2, 0, partition.name), ", ".join([f"{partition.name} default", *notes])
    return _placed(table, partition.name, partition.range, notes)


def _orphan(partition: Partition) -> _Placed:
    what = f"{partition.name} detached, to be {'archived' if partition.awaiting else 'dropped'}"
    return (3, 0, partition.name), ", ".join([what, *_size(partition)])


def _size(partition: Partition) -> list[str]:
    """As of the last vacuum or analyze; of what was never looked at it is not known, and not said."""
    return [f"about {size(partition.bytes)}"] if partition.bytes else []


def _placed(table: PartitionedTable, name: str, period: Range | None, notes: list[str]) -> _Placed:
    if period is None:
        return (3, 0, name), ", ".join([f"{name} other bounds", *notes])
    place = (0, 0, name) if period.lower is None else (1, period.lower, name)
    return place, ", ".join([f"{name} {shown(table.kind, period)}", *notes])


def _ordered(rows: list[_Placed]) -> list[str]:
    return [line for _place, line in sorted(rows)]


def warnings(
    table: PartitionedTable,
    living: Sequence[Partition],
    wanted: Sequence[Range],
    missing: Sequence[Range],
    policy: Policy,
) -> Iterator[str]:
    periods = set(wanted)
    for gap in missing:
        if gap not in periods:
            left = shown(table.kind, gap)
            yield f"{table.title}: other partitions leave {left} of a period, which is filled as it is."
    if wanted and wanted[-1].upper is None:
        yield f"{table.title}: its keys end at {table.highest}, and so do its partitions."
    for each in living:
        if each.range is None and not each.is_default:
            yield f"{table.title}: the bounds of {each.name} are not understood, so it is left in peace."
        if each.is_partitioned:
            yield f"{table.title}: {each.name} is partitioned itself or foreign and is left to whoever made it."
    for each in table.marked:
        if each.awaiting and policy.archive is None:
            yield f"{table.title}: {each.name} was detached to be archived, and stays while on_expiry is not archive."
        if each.marked and policy.on_expiry != "drop":
            yield f"{table.title}: {each.name} was detached to be dropped, and stays while on_expiry is not drop."
