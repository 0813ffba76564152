# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From an archive and the table as it is to the steps between: pure, without a connection or a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.manifest import Column, Manifest
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import Range, parse_bound
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import Partition, PartitionedTable
from ansible_collections.runbook.postgres.plugins.module_utils._partition.steps import shown

# Said on a table that is not attached yet: first while it is empty, then, with its rows, what they came from.
BEING_RESTORED = "runbook.postgres: being restored, to be attached to {title}"
RESTORED = "runbook.postgres: restored from {sha256}, to be attached to {title}"

_BOUND = re.compile(r"FOR VALUES FROM \((?P<lower>.*)\) TO \((?P<upper>.*)\)\Z", re.DOTALL)


@dataclass(frozen=True)
class Standing:
    """Whatever has the partition's name now."""

    oid: int
    parent: int | None
    said: str | None


@dataclass(frozen=True)
class Scene:
    """What was found: the table, its columns, and what stands where the partition would."""

    table: PartitionedTable
    columns: tuple[Column, ...]
    standing: Standing | None
    system_identifier: str | None
    # Of the partition that has these bounds already, if one has.
    rows: int | None = None
    # Of the archive's bounds, sitting in the default partition.
    rows_in_default: int = 0


@dataclass(frozen=True)
class Make:
    """An empty table beside its parent, marked as ours; what a killed run left of it goes first."""

    table: PartitionedTable
    manifest: Manifest
    leftover: bool

    @property
    def sentence(self) -> str:
        return f"make {self.manifest.partition} beside {self.table.title}"


@dataclass(frozen=True)
class Load:
    table: PartitionedTable
    manifest: Manifest
    file: Path

    @property
    def sentence(self) -> str:
        return f"load {self.manifest.rows} rows from {self.file} into {self.manifest.partition}"


@dataclass(frozen=True)
class Attach:
    table: PartitionedTable
    manifest: Manifest

    @property
    def sentence(self) -> str:
        return f"attach {self.manifest.partition} to {self.table.title}"


def plan_restore(scene: Scene, manifest: Manifest, file: Path) -> Plan:
    """The steps after which the archive's rows are a partition again, or why there are none."""
    table = scene.table
    period = parse_bound(manifest.bound)
    if period is None or bound_ends(manifest.bound) is None:
        return Plan(refusals=(f"The bounds in the manifest of {file} are not understood: {manifest.bound}.",))
    same = next((each for each in table.partitions if each.range == period and not each.detach_pending), None)
    refusals = tuple(_refusals(scene, manifest, period, same))
    warnings = tuple(_warnings(scene, manifest))
    if refusals or same is not None:
        return Plan(refusals=refusals, warnings=warnings)
    marks = _marks(table, manifest)
    said = None if scene.standing is None else scene.standing.said
    steps: list[Make | Load | Attach] = []
    if said != marks[1]:
        steps += [Make(table, manifest, scene.standing is not None), Load(table, manifest, file)]
    steps.append(Attach(table, manifest))
    line = f"{manifest.partition} {shown(manifest.kind, period)}, {manifest.rows} rows from {file}"
    return Plan(changes=tuple(steps), warnings=warnings, after=(line,))


def _marks(table: PartitionedTable, manifest: Manifest) -> tuple[str, str]:
    return BEING_RESTORED.format(title=table.title), RESTORED.format(sha256=manifest.sha256, title=table.title)


def is_ours(said: str | None, table: PartitionedTable) -> bool:
    """Whether a table is what an earlier restore left: any archive's, but for this parent."""
    pattern = re.escape(RESTORED.format(sha256="\0", title=table.title)).replace(re.escape("\0"), "[0-9a-f]{64}")
    return said is not None and (
        said == BEING_RESTORED.format(title=table.title) or re.fullmatch(pattern, said) is not None
    )


def _refusals(scene: Scene, manifest: Manifest, period: Range, same: Partition | None) -> Iterator[str]:
    table = scene.table
    if manifest.kind != table.kind:
        yield f"{table.title} is partitioned by {table.kind} and the archive by {manifest.kind}."
    differences = column_differences(manifest.columns, scene.columns)
    if differences:
        yield (
            f"The columns of {table.title} are not those of the archive: {'; '.join(differences)}. "
            "Load it into a table made by the manifest's statements instead."
        )
    if same is not None:
        if scene.rows != manifest.rows:
            yield (
                f"{same.name} has the archive's bounds already and {scene.rows} rows, the archive {manifest.rows}: "
                "detach it first, or leave it."
            )
        return
    others = [each.name for each in table.partitions if each.range is not None and each.range.overlaps(period)]
    if others:
        where = shown(manifest.kind, period)
        yield f"{', '.join(others)} of {table.title} overlaps the archive, {where}: detach what is in the way."
    if scene.standing is not None and not is_ours(scene.standing.said, table):
        yield f"Something else is called {manifest.partition_schema}.{manifest.partition} now: rename that first."
    if scene.rows_in_default:
        yield (
            f"The default partition of {table.title} holds {scene.rows_in_default} rows of "
            f"{shown(manifest.kind, period)}: move them away first."
        )


def _warnings(scene: Scene, manifest: Manifest) -> Iterator[str]:
    known = scene.system_identifier, manifest.system_identifier
    if None not in known and known[0] != known[1]:
        yield f"The archive is from another cluster (system identifier {known[1]}, here it is {known[0]})."


def column_differences(archived: Sequence[Column], present: Sequence[Column]) -> list[str]:
    """What differs by name, whatever the order: a copy names its columns."""
    before, now = {each.name: each for each in archived}, {each.name: each for each in present}
    told = [f"{name} is gone" for name in before if name not in now]
    told += [f"{name} is new" for name in now if name not in before]
    for name, old in before.items():
        new = now.get(name, old)
        if old.type != new.type:
            told.append(f"{name} was {old.type} and is {new.type}")
        if old.generated != new.generated:
            told.append(f"{name} {'is' if new.generated else 'was'} generated")
    return told


def bound_ends(bound: str) -> tuple[str | None, str | None] | None:
    """Both ends as literals' contents, None for one without an end; nothing else is taken from a manifest."""
    found = _BOUND.match(bound)
    if found is None:
        return None
    ends: list[str | None] = []
    for text in (found["lower"], found["upper"]):
        if text in ("MINVALUE", "MAXVALUE"):
            ends.append(None)
        else:
            ends.append(text[1:-1].replace("''", "'") if text.startswith("'") else text)
    return ends[0], ends[1]
