# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From what is and what should be to the steps between: pure, without a clock or a connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.steps import leaving
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import Range
from ansible_collections.runbook.postgres.plugins.module_utils._partition.listing import after, before, warnings
from ansible_collections.runbook.postgres.plugins.module_utils._partition.names import default_name, partition_name
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

DETACH, DROP, ARCHIVE = "detach", "drop", "archive"
ABSENT, PRESENT = "absent", "present"

# A default partition of this size is read in a fraction of a second.
LARGE_BYTES = 64 * 1024 * 1024

# Beyond every point of every kind of key.
_BEGINNING, _END = -(10**30), 10**30


def plan_partitions(table: PartitionedTable, policy: Policy, now: int) -> Plan:
    """The steps after which every period is there that should be, and none that should not."""
    pending = [each for each in table.partitions if each.detach_pending]
    living = [each for each in table.partitions if not each.detach_pending]
    missing = missing_periods(table, policy, now)
    expired = _expired(living, missing, policy, now)
    made = _made(table, policy, missing, now)

    steps: list[Step] = [FinishDetach(table, each) for each in pending]
    steps += [
        Keep(table, each)
        for each in living
        if (each.marked or each.awaiting) and not (each in expired and policy.on_expiry in (DROP, ARCHIVE))
    ]
    if policy.on_expiry == DROP:
        steps += [Drop(table, each) for each in (*pending, *table.marked) if each.marked]
    if policy.archive is not None:
        for each in (*pending, *table.marked):
            steps += leaving(table, each, policy.archive) if each.awaiting else []
    steps += made
    steps += _about_default(table, policy, [each.name for each in made])
    for each in expired:
        steps += _farewell(table, each, policy)
    refusals = tuple(_refusals(table, policy, expired))
    return Plan(
        changes=() if refusals else tuple(steps),
        warnings=tuple(warnings(table, living, list(wanted_periods(table, policy, now)), missing, policy)),
        refusals=refusals,
        # Where nothing is done there is nothing to show, and of very many partitions it would take its time.
        before=before(table) if steps else (),
        after=after(table, living, expired, steps) if steps else (),
    )


def _farewell(table: PartitionedTable, partition: Partition, policy: Policy) -> list[Step]:
    if policy.archive is not None:
        return [Detach(table, partition, then_archive=True), *leaving(table, partition, policy.archive)]
    if policy.on_expiry == DROP:
        return [Detach(table, partition, then_drop=True), Drop(table, partition)]
    return [Detach(table, partition)]


def missing_periods(table: PartitionedTable, policy: Policy, now: int) -> list[Range]:
    """What should be there and is not: usually whole periods, or what other partitions leave of one."""
    living = [each for each in table.partitions if not each.detach_pending]
    gaps = uncovered(list(wanted_periods(table, policy, now)), living)
    horizon = _horizon(living, gaps, policy, now)
    # What is past its time already need not be made to be removed.
    return [gap for gap in gaps if horizon is None or gap.upper is None or gap.upper > horizon]


def wanted_periods(table: PartitionedTable, policy: Policy, now: int) -> Iterator[Range]:
    """From behind to ahead of the period that holds now, not before the start and within the key's type."""
    first = policy.interval.shifted(now, -policy.behind)
    last = policy.interval.shifted(now, policy.ahead)
    start = policy.start
    if table.highest is not None:
        start = max(-table.highest - 1, _BEGINNING if start is None else start)
    if start is not None:
        first = max(first, start)
    for period in policy.interval.periods(first, last):
        lower, upper = _ends(period)
        if table.highest is not None and lower > table.highest:
            return
        beyond = table.highest is not None and upper > table.highest
        yield Range(lower if start is None else max(lower, start), None if beyond else upper)


def uncovered(periods: Sequence[Range], partitions: Sequence[Partition]) -> list[Range]:
    """The parts of these periods, which are in order, that no partition holds.

    Both are walked once: ten thousand partitions cost no more than a look at each.
    """
    taken = sorted(_ends(each.range) for each in partitions if each.range is not None)
    gaps, place = [], 0
    for lower, upper in map(_ends, periods):
        while place < len(taken) and taken[place][1] <= lower:
            place += 1
        point, ahead = lower, place
        while ahead < len(taken) and taken[ahead][0] < upper:
            if point < taken[ahead][0]:
                gaps.append(Range(point, taken[ahead][0]))
            point = max(point, taken[ahead][1])
            ahead += 1
        if point < upper:
            gaps.append(Range(point, None if upper == _END else upper))
    return gaps


def _ends(period: Range) -> tuple[int, int]:
    return (
        _BEGINNING if period.lower is None else period.lower,
        _END if period.upper is None else period.upper,
    )


def _bounded(partitions: Sequence[Partition]) -> list[Partition]:
    """Those that can leave, the oldest first."""
    found = [(each.range, each) for each in partitions if each.range is not None and not each.is_partitioned]
    return [each for period, each in sorted(found, key=lambda pair: _ends(pair[0])[1])]


def _upper(partition: Partition) -> int:
    return _END if partition.range is None else _ends(partition.range)[1]


def _horizon(living: Sequence[Partition], gaps: Sequence[Range], policy: Policy, now: int) -> int | None:
    """What ends here or before is past its time; never after now, so that what holds now stays."""
    if policy.on_expiry is None:
        return None
    if policy.keep_for is not None:
        return min(now, policy.keep_for.back(now))
    if policy.keep_count is None:
        return None
    ends = [_upper(each) for each in _bounded(living)] + [_ends(gap)[1] for gap in gaps]
    ended = sorted(end for end in ends if end <= now)
    surplus = len(ended) - policy.keep_count
    return ended[surplus - 1] if surplus > 0 else None


def _expired(living: Sequence[Partition], missing: Sequence[Range], policy: Policy, now: int) -> list[Partition]:
    """What is past its time, the oldest first; never all there is."""
    horizon = _horizon(living, missing, policy, now)
    if horizon is None:
        return []
    bounded = _bounded(living)
    expired = [each for each in bounded if _upper(each) <= horizon]
    return expired if missing or len(expired) < len(bounded) else expired[:-1]


def _made(table: PartitionedTable, policy: Policy, missing: Sequence[Range], now: int) -> list[Create | Fill]:
    """Names that are free now and stay so among themselves."""
    large = table.default if table.default is not None and table.default.bytes > LARGE_BYTES else None
    taken = set(table.taken)
    made: list[Create | Fill] = []
    # What an interrupted run filled up to where a gap begins, we go on with.
    growing = {each.range.upper: each for each in table.partitions if each.growing and each.range is not None}
    for gap in missing:
        rows, source = table.in_default.of(gap), table.default
        grown = growing.get(gap.lower)
        if source is not None and grown is not None:
            made.append(Fill(table, grown.name, gap, rows, source, grown))
            continue
        name = partition_name(policy.template, table.name, gap, policy.interval, taken)
        taken.add(name)
        # Only of a period to come: until it is there, the default takes no rows of it.
        beside = large if _ends(gap)[0] > now else None
        made.append(Fill(table, name, gap, rows, source) if rows and source else Create(table, name, gap, beside))
    return made


def _about_default(
    table: PartitionedTable, policy: Policy, names: Sequence[str]
) -> list[CreateDefault | RemoveDefault]:
    if policy.default_partition == PRESENT and table.default is None:
        return [CreateDefault(table, default_name(table.name, {*table.taken, *names}))]
    if policy.default_partition == ABSENT and table.default is not None:
        return [RemoveDefault(table, table.default)]
    return []


def _refusals(table: PartitionedTable, policy: Policy, expired: Sequence[Partition]) -> Iterator[str]:
    held = table.in_default
    name = table.default.name if table.default is not None else ""
    if held.at_least:
        yield (
            f"{table.title}: its default partition {name} holds {'' if held.at_least < 1000 else 'at least '}"
            f"{held.at_least} rows of the periods to be made: set drain_default to move them."
        )
    if held.rows and held.obstacle is not None:
        yield f"{table.title}: the rows in its default partition {name} cannot be moved, {held.obstacle}."
    if policy.default_partition == ABSENT and held.others:
        yield (
            f"{table.title}: its default partition {name} holds rows of no period that is to be made, so it stays: "
            "move or delete them, or widen behind and ahead."
        )
    foreign = [each.name for each in expired if not each.owned] if policy.on_expiry in (DROP, ARCHIVE) else []
    if foreign:
        yield f"{table.title}: {foreign[0]} is to be dropped and belongs to another role: make it its table's owner's."
