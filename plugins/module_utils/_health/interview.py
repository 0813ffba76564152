# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How a question is put: within the time there is, and costing nothing but itself when it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import (
    NotPermitted,
    QueryFailed,
    Refused,
    TookTooLong,
    Unreachable,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.server import IDENTITY
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import (
    Observed,
    Probe,
    Seen,
    Server,
    Unavailable,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import Scope
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

# What every session of ours runs under. Nothing can be written, nothing is
# waited for, names resolve to the server's own catalogue whatever others put in
# a schema, and times of partition bounds are read in one zone.
SESSION_SETTINGS = {
    "default_transaction_read_only": "on",
    "lock_timeout": "500",
    "search_path": "pg_catalog",
    "standard_conforming_strings": "on",
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    # Catalogue queries are planned as expensive and run in milliseconds.
    "jit": "off",
    # The workers belong to the application.
    "max_parallel_workers_per_gather": "0",
}

_NOT_MONITOR = "role {user} is not a member of pg_monitor, so the server hides the answer: GRANT pg_monitor TO the role"

# A pooler would lend these settings' absence to us, or their presence to others.
_THROUGH_A_POOLER = (
    "The connection leads through a pooler, which does not keep a session's settings: "
    "connect to PostgreSQL itself, and give PgBouncer's address in the option pgbouncer."
)


class Interview:
    """A server that is being asked, the time that is left, and the answers so far."""

    def __init__(self, connection: Mapping[str, Any], scope: Scope) -> None:
        self.scope = scope
        self.observed = Observed()
        # The databases whose own questions were asked.
        self.examined: list[str] = []
        self._connection = connection
        self._deadline = Deadline(scope.total_seconds)

    @property
    def home(self) -> str:
        """The database that is connected to first."""
        return str(self._connection["dbname"])

    @property
    def server(self) -> Server:
        if self.observed.server is None:
            raise RuntimeError("a question was asked before the server had named itself")
        return self.observed.server

    def begin(self) -> Session:
        """Connect, and learn who answers."""
        try:
            session = self.connect(self.home)
        except Unreachable as error:
            if "unsupported startup parameter" in error.sentence:
                raise Refused(_THROUGH_A_POOLER) from error
            raise
        self.observed.server = Server(**session.fetch(IDENTITY)[0])
        if not self.server.settings_kept:
            raise Refused(_THROUGH_A_POOLER)
        return session

    def connect(self, database: str) -> Session:
        parameters = {**self._connection, "dbname": database}
        return Session(parameters, self.connecting(), SESSION_SETTINGS, self._patience())

    def connecting(self) -> Deadline:
        return self._deadline.at_most(self.scope.connect_seconds)

    def remaining(self) -> float:
        return self._deadline.remaining()

    def hurried(self, session: Session) -> Session:
        """Near the end of the run the server is given less time for each question."""
        if self._deadline.remaining() < self.scope.query_seconds:
            session.limit(self._patience())
        return session

    def _patience(self) -> float:
        return min(self.scope.query_seconds, self._deadline.remaining())

    def wants(self, probe: Probe) -> bool:
        return probe.subset in self.scope.subsets

    def values(self) -> dict[str, Any]:
        """What statements are bound to."""
        floors = {f"{check}_floor": value for check, value in self.scope.floors.items()}
        return {"limit": self.scope.limit, "block_bytes": self.server.block_bytes, **floors}

    def attempt(
        self, probe: Probe, database: str | None, ask: Callable[[], Sequence[Any]], called: str | None = None
    ) -> None:
        """Record what a question yields, or under its name why it yields nothing."""
        name = called or probe.name
        if self.late(name, database):
            return
        if probe.needs_monitor and not self.server.monitor:
            self.lost(name, database, _NOT_MONITOR.format(user=self.server.user))
            return
        try:
            rows = ask()
        except TookTooLong as error:
            given = f"it is given {self.scope.query_seconds:g} s (query_timeout)"
            self.lost(name, database, f"{error.sentence}: {given}")
        except NotPermitted as error:
            self.lost(name, database, f"{error.sentence}: {probe.advice}" if probe.advice else error.sentence)
        except QueryFailed as error:
            self.lost(name, database, error.sentence)
        else:
            self.observed.add(probe, [Seen(database, row) for row in rows])

    def late(self, question: str, database: str | None) -> bool:
        """Whether the time for the whole run is over; the question is then listed as unanswered."""
        if self._deadline.passed():
            self.lost(
                question, database, f"the {self.scope.total_seconds:g} s for the whole run (timeout) were used up"
            )
            return True
        return False

    def lost(self, question: str, database: str | None, reason: str) -> None:
        self.observed.unavailable.append(Unavailable(question, reason, database))
