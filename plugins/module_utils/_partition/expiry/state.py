# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A plain table whose old rows leave, and what is wanted of it."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import Store


class NotExpired(Problem):
    """A batch that did not leave; its rows are in the table, those before it have left."""


@dataclass(frozen=True)
class PlainTable:
    oid: int
    schema: str
    name: str
    # The column that tells a row's age, and what kind of key it is.
    column: str
    kind: str
    # What it takes on disk, and how many rows the server believes it has: none before it was ever analyzed.
    bytes: int
    tuples: int

    @property
    def title(self) -> str:
        return f"{self.schema}.{self.name}"

    def share(self, rows: int, due: int) -> int:
        """What so many rows take of it; where nobody knows how many there are, those that are due take it all."""
        return self.bytes * rows // max(self.tuples, due, 1)

    def stem(self, store: Store) -> str:
        """What the names of this table's files begin with."""
        return store.stem(self.schema, self.name, self.name, "rows")


@dataclass(frozen=True)
class Policy:
    """Which rows leave, and how."""

    # The content of a literal: rows below it are past their time.
    cutoff: str
    batch_rows: int
    where: str | None = None
    # None where rows are dropped without an archive.
    store: Store | None = None


@dataclass(frozen=True)
class Due:
    """The rows past their time: counted, or the planner's estimate where there are very many."""

    rows: int
    exact: bool = True

    @property
    def words(self) -> str:
        if not self.rows:
            return "no rows"
        number = "1 row" if self.rows == 1 else f"{self.rows} rows"
        return number if self.exact else f"about {number}"
