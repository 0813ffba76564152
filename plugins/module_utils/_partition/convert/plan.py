# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From a plain table to a partitioned one: the steps between, pure, without a clock or a connection."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import HIGHEST, Range, printed
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.question import (
    MOST_PARTITIONS,
    Question,
    built_name,
    end_of_old,
    free_name,
    later,
    periods_of_copy,
    wide,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.refusals import (
    copy_key,
    narrow,
    refusals,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    ATTACH,
    Index,
    Scene,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.steps import (
    Begin,
    Build,
    Clear,
    Compare,
    ConvertStep,
    Envelop,
    Exchange,
    Finish,
    Lay,
    Prove,
    Transfer,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.names import LONGEST_BYTES, partition_name
from ansible_collections.runbook.postgres.plugins.module_utils._partition.request import Intent
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import (
    Partition,
    PartitionedTable,
)


@dataclass(frozen=True)
class Conversion:
    """What is to be done, and the table as it will be."""

    intent: Intent
    steps: tuple[ConvertStep, ...]
    kept_as: str
    # What the table is once these steps are taken.
    becomes: PartitionedTable | None = None
    created: tuple[str, ...] = ()
    widened: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


def plan_conversion(asked: Question) -> Conversion:
    scene, intent = asked.scene, asked.intent
    said = list(refusals(scene, intent, asked.extent))
    kept_as = free_name(intent.kept_as or later(scene.name), () if intent.kept_as else asked.taken)
    if intent.kept_as is not None:
        said += _about_name(scene, intent.kept_as, asked.taken)
    if intent.how == ATTACH:
        said += _about_until(asked)
    if said:
        return Conversion(intent, (), kept_as, refusals=tuple(said))
    conversion = _attached(asked, kept_as) if intent.how == ATTACH else _copied(asked, kept_as)
    return replace(
        conversion,
        widened=tuple(each.name for each in narrow(scene, intent.column)),
        before=(f"{scene.name} not partitioned", *_keys(scene, scene.indexes, intent)),
        warnings=tuple(_warnings(asked)),
    )


def _attached(asked: Question, kept_as: str) -> Conversion:
    scene, intent, left = asked.scene, asked.intent, asked.left
    until = end_of_old(asked)
    shown = None if until is None else printed(asked.kind, until)
    indexes = wide(scene, intent.column)
    built = tuple((each.name, built_name(scene, each)) for each in indexes if each.narrow is not None)
    names = {name for _index, name in built}
    steps: list[ConvertStep] = []
    useless = tuple(sorted(name for name in left.indexes if name not in names))
    asked = _without_copy(asked)
    if left.copying or useless:
        steps.append(Clear(scene, check=False, copy=left.copying, indexes=useless))
    same = left.check and left.until == until
    if not (same and left.proved):
        steps.append(Prove(scene, intent.column, until, shown, begun=same))
    by_name = dict(built)
    for each in indexes:
        name = by_name.get(each.name)
        if name is not None and not left.indexes.get(name, False):
            steps.append(Build(scene, each, name, broken=name in left.indexes))
    steps.append(Envelop(scene, intent.column, kept_as, shown, indexes, built))
    steps.append(Finish(scene.schema, scene.name))
    old = _partition(-1, scene, kept_as, Range(None, until))
    return Conversion(
        intent, tuple(steps), kept_as, becomes=_table(asked, [old], kept_as), after=_keys(scene, indexes, intent)
    )


def _copied(asked: Question, kept_as: str) -> Conversion:
    scene, intent, left = asked.scene, asked.intent, asked.left
    indexes = wide(scene, intent.column)
    key = copy_key(scene) or ()
    periods = list(periods_of_copy(asked))
    if len(periods) > MOST_PARTITIONS:
        sentence = (
            f"{scene.title} would have more than {MOST_PARTITIONS} partitions at once: choose a longer interval, or "
            "use convert: attach."
        )
        return Conversion(intent, (), kept_as, refusals=(sentence,))
    steps: list[ConvertStep] = []
    progress = left.progress
    current = (
        progress is not None
        and (progress.shape, progress.column, progress.interval)
        == (scene.shape, intent.column, asked.policy.interval.words)
        and not any(each.range is not None and each.range not in periods for each in asked.laid)
    )
    if left.attaching or (left.copying and not current):
        steps.append(
            Clear(scene, check=left.check, copy=left.copying and not current, indexes=tuple(sorted(left.indexes)))
        )
    if not current:
        steps.append(Begin(scene, intent.column, asked.policy.interval.words, indexes, key))
    there = {each.range: each.name for each in asked.laid} if current else {}
    asked = asked if current else _without_copy(asked)
    taken = set(asked.taken) | {kept_as}
    names = []
    for period in periods:
        name = there.get(period)
        if name is None:
            name = partition_name(asked.policy.template, scene.name, period, asked.policy.interval, taken)
            ends = [None if end is None else printed(asked.kind, end) for end in (period.lower, period.upper)]
            steps.append(Lay(scene, name, period, ends[0], ends[1], asked.tablespace))
        taken.add(name)
        names.append(name)
    steps += [Transfer(scene, key), Compare(scene, key), Exchange(scene, kept_as, indexes, key)]
    steps.append(Finish(scene.schema, scene.name))
    partitions = [
        _partition(-number, scene, name, period) for number, (name, period) in enumerate(zip(names, periods), 1)
    ]
    return Conversion(
        intent,
        tuple(steps),
        kept_as,
        becomes=_table(asked, partitions, kept_as),
        created=tuple(names),
        after=(*_keys(scene, indexes, intent), f"{kept_as} kept with the rows as they were, no part of it"),
    )


def _without_copy(asked: Question) -> Question:
    """The names of a copy that is removed are free again."""
    return replace(asked, taken=asked.taken - {each.name for each in asked.laid})


def _partition(oid: int, scene: Scene, name: str, period: Range) -> Partition:
    return Partition(
        oid, scene.schema, name, period, is_default=False, detach_pending=False, is_partitioned=False, bytes=0
    )


def _table(asked: Question, partitions: list[Partition], kept_as: str) -> PartitionedTable:
    scene = asked.scene
    return PartitionedTable(
        oid=scene.oid,
        schema=scene.schema,
        name=scene.name,
        kind=asked.kind,
        partitions=tuple(partitions),
        marked=(),
        taken=asked.taken | {kept_as} | {each.name for each in partitions},
        highest=HIGHEST.get(scene.column(asked.intent.column).type),
    )


def _keys(scene: Scene, indexes: tuple[Index, ...], intent: Intent) -> tuple[str, ...]:
    """The keys that become wider, as they are and as they will be."""
    lacking = {each.oid for each in narrow(scene, intent.column)}
    return tuple(f"{each.words} {each.name} ({', '.join(each.columns)})" for each in indexes if each.oid in lacking)


def _about_name(scene: Scene, name: str, taken: Collection[str]) -> Iterator[str]:
    if not 0 < len(name.encode()) <= LONGEST_BYTES or "\0" in name:
        yield f"{scene.title}: convert_kept_as takes a name of 1 to {LONGEST_BYTES} bytes."
    elif name in taken:
        yield f"{scene.title}: something is called {name} in its schema already: give another convert_kept_as."


def _about_until(asked: Question) -> Iterator[str]:
    if asked.until is None:
        return
    latest = max(asked.now, asked.extent.highest) if asked.extent.highest is not None else asked.now
    if asked.until <= latest:
        yield (
            f"{asked.scene.title}: convert_until is {printed(asked.kind, asked.until)}, and there are rows up to "
            f"{printed(asked.kind, latest)}, or it is so late already: give a later one."
        )


def _warnings(asked: Question) -> Iterator[str]:
    scene, column = asked.scene, asked.intent.column
    if asked.left.attaching or asked.left.copying:
        yield f"{scene.title}: an interrupted run began to convert it; what is of use is used, the rest removed."
    for index in scene.indexes:
        if index.clustered:
            yield f"{scene.title}: that {index.name} is the index to CLUSTER by is forgotten, for want of one table."
    for each in scene.triggers:
        if each.row and each.before:
            yield (
                f"{scene.title}: trigger {each.name} fires before each row and must not change {column}, "
                "for the row's partition is chosen by then."
            )
