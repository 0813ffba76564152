# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Why a table cannot be converted as asked, each in one sentence: pure."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    COPY,
    Extent,
    Index,
    Scene,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.request import Intent


def refusals(scene: Scene, intent: Intent, extent: Extent) -> Iterator[str]:
    for each in scene.obstacles:
        yield f"{scene.title} cannot be converted, {each}: take that away first, and put it back afterwards."
    yield from _about_rows(scene, intent, extent)
    yield from _about_indexes(scene, intent)
    yield from _about_foreign_keys(scene, intent)
    yield from _about_triggers(scene)
    yield from _about_publications(scene, intent)
    if intent.how == COPY:
        yield from _about_copying(scene)


def _about_rows(scene: Scene, intent: Intent, extent: Extent) -> Iterator[str]:
    column = scene.column(intent.column)
    if column.generated:
        yield f"{scene.title} cannot be partitioned by {column.name}, which is generated: name a column that is stored."
    found = [(extent.nulls, "null"), (extent.after_all, "infinity")]
    if intent.how == COPY:
        found.append((extent.before_all, "-infinity"))
    for count, what in found:
        if count:
            yield (
                f"{scene.title} holds {count} rows whose {column.name} is {what}, for which there is no partition: "
                "give them a value or take them away first."
            )


def narrow(scene: Scene, column: str) -> list[Index]:
    """The keys that say something of all rows and lack the column: partitions cannot hold such a promise."""
    return [each for each in scene.indexes if each.unique and not each.exclusion and column not in each.columns]


def _about_indexes(scene: Scene, intent: Intent) -> Iterator[str]:
    for each in scene.indexes:
        if each.exclusion:
            yield (
                f"{scene.title} has the exclusion constraint {each.name}, which would hold within partitions only: "
                "drop it first."
            )
        elif not each.valid:
            yield f"{scene.title} has the invalid index {each.name}: rebuild or drop it first."
    for each in narrow(scene, intent.column):
        columns, wide = ", ".join(each.columns), ", ".join((*each.columns, intent.column))
        if not intent.widen:
            yield (
                f"{scene.title} has the {each.words} {each.name} ({columns}) without {intent.column}, and partitions "
                f"keep no such promise across each other: set convert_keys to widen to make it ({wide}), which then no "
                f"longer keeps ({columns}) unique by itself."
            )
        elif each.special or not each.simple:
            yield (
                f"{scene.title} has the unique index {each.name} without {intent.column}, and it has expressions, a "
                "condition or an order of its own, so it cannot be widened: drop it first."
            )
        elif each.identity:
            yield (
                f"{scene.title} has the index {each.name} without {intent.column} as its replica identity: "
                "choose another one first."
            )


def _about_foreign_keys(scene: Scene, intent: Intent) -> Iterator[str]:
    for each in scene.foreign_keys:
        if each.itself:
            yield f"{scene.title} has the foreign key {each.name} to itself, which cannot be carried over: drop it."
        elif not each.valid:
            yield f"{scene.title} has the foreign key {each.name} that is not validated: VALIDATE it first."
        elif not each.permitted:
            yield (
                f"{scene.title} has the foreign key {each.name} to {each.target}, and the role may not refer to that "
                "table: GRANT REFERENCES to it."
            )
    for other in scene.references:
        name = f"{other.schema}.{other.table}"
        if intent.column not in other.columns:
            yield (
                f"{name} refers to {scene.title} by foreign key {other.name} ({', '.join(other.columns)}) without "
                f"{intent.column}, which is no key of a table partitioned by it: drop or widen that one first."
            )
        elif other.partitioned:
            yield f"{name} is partitioned and refers to {scene.title} by foreign key {other.name}: drop that first."
        elif not other.valid:
            yield f"{name} refers to {scene.title} by foreign key {other.name}, not validated: VALIDATE it first."
        elif not other.owned:
            yield (
                f"{name} refers to {scene.title} by foreign key {other.name} and belongs to another role: "
                "connect as a member of both."
            )


def _about_triggers(scene: Scene) -> Iterator[str]:
    for each in scene.triggers:
        if each.row and each.transition:
            yield (
                f"{scene.title} has the row trigger {each.name} with transition tables, which partitions cannot have: "
                "make it a statement's trigger first."
            )


def _about_publications(scene: Scene, intent: Intent) -> Iterator[str]:
    for each in scene.publications:
        if not each.via_root:
            yield (
                f"{scene.title} is published by {each.name}, whose subscribers would be told the names of partitions: "
                "set its publish_via_partition_root to true first."
            )
        elif each.wide and intent.how == COPY:
            yield (
                f"{scene.title} is published by {each.name} as all tables are, and so would its copy be while it is "
                "made: use convert: attach, or publish tables by name."
            )
        elif not each.owned:
            yield f"{scene.title} is published by {each.name}, which another role owns: connect as a member of both."


def _about_copying(scene: Scene) -> Iterator[str]:
    if copy_key(scene) is None:
        yield (
            f"{scene.title} has no primary key and no unique index over columns that are not null, by which a changed "
            "row could be found in its copy: add one, or use convert: attach."
        )


def copy_key(scene: Scene) -> tuple[str, ...] | None:
    """What tells rows apart: the primary key, or else another such."""
    required = {each.name for each in scene.columns if each.not_null}
    keys = [
        each
        for each in scene.indexes
        if each.unique and each.valid and not each.special and not each.exclusion and set(each.columns) <= required
    ]
    keys.sort(key=lambda each: (each.kind != "p", each.deferrable, len(each.columns), each.name))
    return keys[0].columns if keys else None
