# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The steps of a plan, each told in one sentence before it is taken and in the same afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.steps import ArchiveStep
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import Range, printed
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import Partition, PartitionedTable


@dataclass(frozen=True)
class FinishDetach:
    """Somebody began to detach it and was interrupted: until it is finished nothing else can be detached."""

    table: PartitionedTable
    partition: Partition

    @property
    def sentence(self) -> str:
        return f"finish detaching {self.partition.name} from {self.table.title}"


@dataclass(frozen=True)
class Keep:
    """An interrupted run said on it that it is to leave, and that is no longer wanted."""

    table: PartitionedTable
    partition: Partition

    @property
    def sentence(self) -> str:
        return f"keep {self.partition.name} of {self.table.title}, which an interrupted run was about to let go"


@dataclass(frozen=True)
class Create:
    table: PartitionedTable
    name: str
    range: Range
    # The default partition, where it is so large that reading it all would keep others waiting.
    beside: Partition | None = None

    @property
    def sentence(self) -> str:
        return f"create {self.name} of {self.table.title} {shown(self.table.kind, self.range)}"


@dataclass(frozen=True)
class Fill:
    """Creates it and moves into it what the default partition holds of its period."""

    table: PartitionedTable
    name: str
    range: Range
    rows: int
    # The default partition.
    source: Partition
    # An earlier run got as far as this partition, which grows.
    grown: Partition | None = None

    @property
    def sentence(self) -> str:
        verb = "create" if self.grown is None else "go on with"
        return (
            f"{verb} {self.name} of {self.table.title} {shown(self.table.kind, self.range)} "
            f"and move {self.rows} rows into it from {self.source.name}"
        )


@dataclass(frozen=True)
class CreateDefault:
    table: PartitionedTable
    name: str

    @property
    def sentence(self) -> str:
        return f"create {self.name}, the default partition of {self.table.title}"


@dataclass(frozen=True)
class RemoveDefault:
    """Only if it is empty."""

    table: PartitionedTable
    partition: Partition

    @property
    def sentence(self) -> str:
        return f"drop {self.partition.name}, the empty default partition of {self.table.title}"


@dataclass(frozen=True)
class Detach:
    table: PartitionedTable
    partition: Partition

    # Said beforehand on the table itself, so that an interrupted run is understood by the next.
    then_drop: bool = False
    then_archive: bool = False

    @property
    def sentence(self) -> str:
        return f"detach {self.partition.name} from {self.table.title}"


@dataclass(frozen=True)
class Drop:
    """Drops what an earlier step of the same plan detached."""

    table: PartitionedTable
    partition: Partition

    @property
    def sentence(self) -> str:
        return f"drop {self.partition.name}, once of {self.table.title}"


Step = Union[FinishDetach, Keep, Create, Fill, CreateDefault, RemoveDefault, Detach, Drop, ArchiveStep]


def shown(kind: str, period: Range) -> str:
    lower = "the beginning" if period.lower is None else printed(kind, period.lower)
    upper = "the end" if period.upper is None else printed(kind, period.upper)
    return f"from {lower} to {upper}"
