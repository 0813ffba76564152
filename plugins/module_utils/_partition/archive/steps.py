# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The steps by which a detached partition becomes a file, and only then goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import Store
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import Partition, PartitionedTable


@dataclass(frozen=True)
class Archive:
    """Its rows into a file that was read back, with its manifest."""

    table: PartitionedTable
    partition: Partition
    store: Store

    @property
    def stem(self) -> str:
        return self.store.stem(self.partition.schema, self.table.title, self.partition.name, self.partition.bound)

    @property
    def sentence(self) -> str:
        return f"archive {self.partition.name}, once of {self.table.title}, to {self.store.file(self.stem)}"


@dataclass(frozen=True)
class Offsite:
    """The archive and its manifest once more elsewhere, compared there by hash."""

    table: PartitionedTable
    partition: Partition
    store: Store

    @property
    def sentence(self) -> str:
        return f"copy the archive of {self.partition.name} to {self.store.offsite}"


@dataclass(frozen=True)
class DropArchived:
    """Drops a table that holds, at this moment, exactly what its archive does."""

    table: PartitionedTable
    partition: Partition

    @property
    def sentence(self) -> str:
        return f"drop {self.partition.name}, once of {self.table.title}"


ArchiveStep = Union[Archive, Offsite, DropArchived]


def leaving(table: PartitionedTable, partition: Partition, store: Store) -> list[ArchiveStep]:
    """What happens to a detached partition, in this order; each step relies on the one before."""
    offsite = [Offsite(table, partition, store)] if store.offsite else []
    return [Archive(table, partition, store), *offsite, DropArchived(table, partition)]


def archive_line(step: Archive) -> str:
    return f"{step.store.file(step.stem)} with the rows of {step.partition.name}, about {size(step.partition.bytes)}"


def size(number: float) -> str:
    """For people: three digits and a unit."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}" if unit != "bytes" else f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.4g} TB"
