# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A probe: one question to the server, and the row its answer becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

CLUSTER = "cluster"
DATABASE = "database"


def filled(template: str, **parts: str) -> str:
    """A statement from a template and other constants of ours; values from elsewhere are bound, never put in."""
    for name, part in parts.items():
        template = template.replace("{" + name + "}", part)
    return template


@dataclass(frozen=True, eq=False)
class Probe:
    """One SQL statement for each range of server versions, and the dataclass beside it.

    A cluster probe is asked once, a database probe in every database examined.
    """

    name: str
    subset: str
    row: type
    # The statement by the first major version that it serves.
    sql: Mapping[int, str]
    scope: str = CLUSTER
    # Asked only of a primary or only of a standby; None means of both.
    role: str | None = None
    # Without pg_monitor the server blanks these answers instead of refusing them.
    needs_monitor: bool = False
    # At most one row, shown as a dictionary and not as a list.
    single: bool = False
    # Makes the row where that takes more than naming its columns.
    convert: Callable[[Mapping[str, Any], Server], Any] | None = None
    # What an error most likely means, and what to do about it.
    advice: str = ""

    def statement(self, major: int) -> str | None:
        """The statement for this server, or None where the server lacks what it asks about."""
        serving = [first for first in self.sql if first <= major]
        return self.sql[max(serving)] if serving else None


@dataclass(frozen=True)
class Server:
    """Who answered; asked first, because the other questions depend on it."""

    version: str
    version_num: int
    role: str
    timeline: int
    system_identifier: str
    cluster_name: str
    data_checksums: bool
    uptime_seconds: float
    monitor: bool
    user: str
    same_host: bool
    settings_kept: bool
    block_bytes: int
    autovacuum: bool
    synchronous_standby_names: str
    now: str

    @property
    def major(self) -> int:
        return self.version_num // 10000


@dataclass(frozen=True)
class Unavailable:
    """A probe that could not run, and what to do about it."""

    probe: str
    reason: str
    database: str | None = None


@dataclass(frozen=True)
class Seen:
    """A row, and the database it was seen in; None where it speaks for the whole server."""

    database: str | None
    row: Any


@dataclass
class Observed:
    """Everything that was seen: rows by probe. Judging needs nothing else."""

    server: Server | None = None
    rows: dict[str, list[Seen]] = field(default_factory=dict)
    unavailable: list[Unavailable] = field(default_factory=list)
    down: str | None = None

    def of(self, probe: Probe) -> list[Seen]:
        return self.rows.get(probe.name, [])

    def add(self, probe: Probe, rows: Sequence[Seen]) -> None:
        self.rows.setdefault(probe.name, []).extend(rows)
