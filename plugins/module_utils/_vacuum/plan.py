# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which tables are vacuumed and analyzed, in which order. Pure: what was found and what is wanted go in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan


@dataclass(frozen=True)
class Found:
    """A table with what the server counted; None where it never happened, or not since its counters began."""

    database: str
    oid: int
    schema: str
    name: str
    partitioned: bool = False
    # The table that it is a partition of, directly or not.
    root: int | None = None
    # One for all databases.
    shared: bool = False
    permitted: bool = True
    analyzable: bool = True
    vacuumed_ago: float | None = None
    analyzed_ago: float | None = None
    analyzed_by_hand_ago: float | None = None
    # Rows that died or came since.
    unvacuumed: int = 0
    modified: int = 0
    # Its oldest rows are so old that the server reads all of it before long, at a time that it chooses.
    aged: bool = False

    @property
    def title(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Task:
    table: Found
    vacuum: bool
    analyze: bool

    @property
    def done(self) -> str:
        return " and ".join([*(["vacuumed"] if self.vacuum else []), *(["analyzed"] if self.analyze else [])])

    @property
    def sentence(self) -> str:
        return f"{self.table.database}: {self.table.title}, {self.done}"


def plan(found: Sequence[Found], max_age: float, *, analyze: bool, major: int) -> Plan:
    tasks = _ordered(_tasks(list(_once([each for each in found if each.permitted])), max_age, analyze, major))
    return Plan(
        changes=tuple(tasks),
        warnings=tuple(_not_permitted(found)),
        before=[_before(each) for each in tasks],
        after=[each.sentence for each in tasks],
    )


def _tasks(mine: Sequence[Found], max_age: float, analyze: bool, major: int) -> list[Task]:
    leaves: dict[tuple[str, int], list[Found]] = defaultdict(list)
    for each in mine:
        if each.root is not None and not each.partitioned:
            leaves[each.database, each.root].append(each)
    whole = {
        (each.database, each.oid): each
        for each in mine
        if analyze
        and each.partitioned
        and each.root is None
        and _older(_whole_analyzed(each, leaves[each.database, each.oid], major), max_age)
    }
    tasks = [Task(each, vacuum=False, analyze=True) for each in whole.values()]
    for each in mine:
        if each.partitioned:
            continue
        vacuum = each.aged or _due(each.vacuumed_ago, each.unvacuumed, max_age)
        # A partitioned table's own analysis reads its partitions for themselves as well.
        alone = analyze and each.analyzable and (each.database, each.root) not in whole
        task = Task(each, vacuum, alone and _due(each.analyzed_ago, each.modified, max_age))
        if task.vacuum or task.analyze:
            tasks.append(task)
    return tasks


def _ordered(tasks: Sequence[Task]) -> list[Task]:
    """The gravest first, since the time may not be enough for all; beyond those one database after the other."""
    dirt: dict[str, int] = defaultdict(int)
    for task in tasks:
        dirt[task.table.database] += task.table.unvacuumed

    def rank(task: Task) -> tuple[Any, ...]:
        table = task.table
        return (not table.aged, -dirt[table.database], table.database, not task.vacuum, -table.unvacuumed, table.title)

    return sorted(tasks, key=rank)


def _once(found: Iterable[Found]) -> Iterable[Found]:
    """Each database shows those that are shared; the first one will do."""
    shared: set[int] = set()
    for each in found:
        if each.shared and each.oid in shared:
            continue
        if each.shared:
            shared.add(each.oid)
        yield each


def _older(ago: float | None, max_age: float) -> bool:
    return ago is None or ago >= max_age


def _due(ago: float | None, since: int, max_age: float) -> bool:
    """What nothing happened to needs nothing, however long ago it was; an age of zero means now."""
    return _older(ago, max_age) and (ago is None or since > 0 or max_age == 0)


def _whole_analyzed(parent: Found, leaves: Sequence[Found], major: int) -> float | None:
    """Before 14 the server does not say; then it is known from the partitions, which are analyzed with it, and
    of which autovacuum's own analysis says nothing about the whole."""
    if major >= 14 or not leaves:
        return parent.analyzed_ago
    oldest = [each.analyzed_by_hand_ago for each in leaves]
    return None if None in oldest else max(each for each in oldest if each is not None)


def _not_permitted(found: Sequence[Found]) -> list[str]:
    """In one line; system catalogs, which most roles may not vacuum, are autovacuum's to look after."""
    titles = sorted(
        f"{each.title} of {each.database}"
        for each in found
        if not each.permitted and each.schema not in ("pg_catalog", "information_schema")
    )
    if not titles:
        return []
    more = f" and {len(titles) - 3} more" if len(titles) > 3 else ""
    names = ", ".join(titles[:3])
    return [f"{names}{more} belong to other roles and are left alone: connect as their owner, or as a superuser."]


def _before(task: Task) -> str:
    table = task.table
    told = []
    if task.vacuum:
        old = " (its rows are old enough to be frozen)" if table.aged else ""
        told.append(f"vacuumed {_ago(table.vacuumed_ago)}{old}")
    if task.analyze:
        told.append(f"analyzed {_ago(table.analyzed_ago)}")
    return f"{table.database}: {table.title}, {', '.join(told)}"


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count != 1 else ''} ago"
    return "just now"
