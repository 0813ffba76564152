# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a partitioned table is, and what it should become."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import Store
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import Range
from ansible_collections.runbook.postgres.plugins.module_utils._partition.interval import Interval


@dataclass(frozen=True)
class Partition:
    """A child, known by its bounds; its name is whatever somebody once chose."""

    oid: int
    schema: str
    name: str
    # None for a bound that is not understood, such as one of several columns.
    range: Range | None
    is_default: bool
    detach_pending: bool
    # Partitioned itself or foreign: not for us to detach, drop or fill.
    is_partitioned: bool
    bytes: int
    # An earlier run said on it that it is to be dropped.
    marked: bool = False
    # An earlier run began to fill it from the default partition.
    growing: bool = False
    # Whether it may be dropped by who we are.
    owned: bool = True
    # An earlier run said on it that it is to be archived.
    awaiting: bool = False
    # The bounds as the server prints them, and the comment.
    bound: str = ""
    said: str | None = None


@dataclass(frozen=True)
class InDefault:
    """What the default partition holds of the periods that lack a partition."""

    rows: tuple[tuple[Range, int], ...] = ()
    # How many at least, where nobody asked for them to be moved and they were not all counted.
    at_least: int = 0
    # Rows that belong to no period that is to be made.
    others: bool = False
    # Why they cannot be moved, though asked for.
    obstacle: str | None = None

    def of(self, period: Range) -> int:
        return dict(self.rows).get(period, 0)


@dataclass(frozen=True)
class PartitionedTable:
    oid: int
    schema: str
    name: str
    kind: str
    partitions: tuple[Partition, ...]
    # Tables that an interrupted run detached to archive or drop and did not come to.
    marked: tuple[Partition, ...]
    # Names that other things in the schema have.
    taken: frozenset[str]
    # The greatest value of the key's type, where that is within reach.
    highest: int | None = None
    in_default: InDefault = field(default_factory=InDefault)

    @property
    def title(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def default(self) -> Partition | None:
        return next((each for each in self.partitions if each.is_default), None)


@dataclass(frozen=True)
class Policy:
    """What should be true of a table at any moment."""

    interval: Interval
    ahead: int
    behind: int = 0
    # Where partitions begin at the earliest.
    start: int | None = None
    # Partitions that end before now less this age are past their time...
    keep_for: Interval | None = None
    # ...or all but so many of those that have ended.
    keep_count: int | None = None
    on_expiry: str | None = None
    template: str = "{table}_p{lower}"
    # Whether there should be a default partition: absent, present, or ignore.
    default_partition: str = "ignore"
    drain_default: bool = False
    # Where partitions past their time go before they are dropped.
    archive: Store | None = None
