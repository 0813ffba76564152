# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ask every question that was asked for, each on its own: one that fails costs only itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import (
    NotPermitted,
    Problem,
    QueryFailed,
    Silent,
    TookTooLong,
    Unreachable,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health import catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import (
    bloat,
    custom,
    pooler,
    sequences,
    server,
    statements,
    storage,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.custom import observe_custom
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.disks import (
    elsewhere,
    observe_disks,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.pooler import (
    observe_pooler,
    observe_pools,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.rate import RateSample
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.sequences import (
    observe_sequences,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.statements import (
    heaviest_statements,
    statements_home,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import (
    CLUSTER,
    DATABASE,
    Observed,
    Probe,
    Seen,
    Server,
    Unavailable,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import CustomQuery, Scope
from ansible_collections.runbook.postgres.plugins.module_utils._health.sql_text import masked
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
}

NOT_MONITOR = "role {user} is not a member of pg_monitor, so the server hides the answer: GRANT pg_monitor TO the role"


def observe(connection: Mapping[str, Any], scope: Scope) -> Observed:
    """Everything that was asked for, or in `down` why the server could not be asked."""
    observer = _Observer(connection, scope)
    try:
        observer.run()
    except Unreachable as error:
        observer.observed.down = error.sentence
    return observer.observed


class _Observer:
    def __init__(self, connection: Mapping[str, Any], scope: Scope) -> None:
        self.observed = Observed()
        self._connection = connection
        self._scope = scope
        self._deadline = Deadline(scope.total_seconds)
        self._statements_seen = False

    def run(self) -> None:
        with self._connect(self._connection) as session:
            self.observed.server = Server(**session.fetch(server.IDENTITY)[0])
            sample = self._open_sample(session)
            for probe in self._probes(CLUSTER):
                self._ask(session, probe, None)
            self._disks()
            here = self._connection["dbname"]
            databases = self._databases(session)
            if here in databases:
                self._database(session, here)
            self._custom(session, here)
            asked_for = [each.database for each in self._scope.queries if each.database]
            for name in dict.fromkeys([*databases, *asked_for]):
                if name != here:
                    self._elsewhere(name, examined=name in databases)
            self._close_sample(session, sample)
        self._no_statements()
        self._pooler()

    def _connect(self, parameters: Mapping[str, Any]) -> Session:
        session = Session(parameters, self._deadline.at_most(self._scope.connect_seconds))
        session.limit(SESSION_SETTINGS, self._patience())
        return session

    def _patience(self) -> float:
        return min(self._scope.query_seconds, self._deadline.remaining())

    # -- one probe ---------------------------------------------------------

    def _attempt(
        self, probe: Probe, database: str | None, ask: Callable[[], Sequence[Any]], name: str | None = None
    ) -> None:
        """Record what a question yields, or under its name why it yields nothing."""
        named = replace(probe, name=name or probe.name)
        if self._deadline.passed():
            self._lost(named, database, self._no_time())
            return
        try:
            rows = ask()
        except TookTooLong as error:
            self._lost(
                named,
                database,
                f"{error.sentence}: it is given {self._scope.query_seconds:g} s (query_timeout)",
            )
        except NotPermitted as error:
            self._lost(named, database, f"{error.sentence}: {probe.advice}" if probe.advice else error.sentence)
        except QueryFailed as error:
            self._lost(named, database, error.sentence)
        else:
            self.observed.add(probe, [Seen(database, row) for row in rows])

    def _no_time(self) -> str:
        return f"the {self._scope.total_seconds:g} s for the whole run (timeout) were used up"

    def _lost(self, probe: Probe, database: str | None, reason: str) -> None:
        self.observed.unavailable.append(Unavailable(probe.name, reason, database))

    def _ask(self, session: Session, probe: Probe, database: str | None) -> None:
        statement = probe.statement(self._server.major)
        if statement is None or probe.role not in (None, self._server.role):
            return
        if probe.needs_monitor and not self._server.monitor:
            self._lost(probe, database, NOT_MONITOR.format(user=self._server.user))
            return
        self._attempt(probe, database, lambda: self._rows(session, probe, statement))

    def _rows(self, session: Session, probe: Probe, statement: Any) -> list[Any]:
        return decoded(probe, self._hurry(session).fetch(statement, self._values()), self._server)

    def _hurry(self, session: Session) -> Session:
        """Near the end of the run the server is given less time for each question."""
        if self._deadline.remaining() < self._scope.query_seconds:
            session.limit({}, self._patience())
        return session

    def _values(self) -> dict[str, Any]:
        floors = {f"{check}_floor": value for check, value in self._scope.floors.items()}
        return {"limit": self._scope.limit, "block_bytes": self._server.block_bytes, **floors}

    @property
    def _server(self) -> Server:
        if self.observed.server is None:
            raise RuntimeError("a question was asked before the server had named itself")
        return self.observed.server

    def _probes(self, level: str) -> list[Probe]:
        return [each for each in catalog.PROBES if each.scope == level and each.subset in self._scope.subsets]

    def _wants(self, probe: Probe) -> bool:
        return probe.subset in self._scope.subsets

    # -- each database -----------------------------------------------------

    def _databases(self, session: Session) -> list[str]:
        if self._scope.databases:
            return list(dict.fromkeys(self._scope.databases))
        try:
            return [row["name"] for row in self._hurry(session).fetch(server.DATABASES)]
        except QueryFailed as error:
            # Mostly for want of time; what is known of the server is told all the same.
            self.observed.unavailable.append(Unavailable("databases", error.sentence))
            return []

    def _elsewhere(self, name: str, examined: bool) -> None:
        """Another database takes a connection of its own; failing to get one costs only its probes."""
        asked = self._wants(custom.CUSTOM_VALUES) and any(each.database == name for each in self._scope.queries)
        if not asked and not (examined and self._probes(DATABASE)):
            return
        if self._deadline.passed():
            self.observed.unavailable.append(Unavailable("connection", self._no_time(), name))
            return
        try:
            session = self._connect({**self._connection, "dbname": name})
            with session:
                if examined:
                    self._database(session, name)
                self._custom(session, name)
        except Silent:
            raise
        except Problem as error:
            # Dropped, closed to this role, or this session was ended: the server itself goes on.
            self.observed.unavailable.append(Unavailable("connection", error.sentence.rstrip("."), name))

    def _database(self, session: Session, name: str) -> None:
        for probe in self._probes(DATABASE):
            self._ask(session, probe, name)
        if self._wants(sequences.SEQUENCES):
            self._attempt(sequences.SEQUENCES, name, lambda: self._sequences(session, name))
        if self._wants(statements.STATEMENTS) and self._server.monitor and not self._statements_seen:
            self._attempt(statements.STATEMENTS, name, lambda: self._statements(session))
        self._explain_bloat(name)

    def _sequences(self, session: Session, name: str) -> list[Any]:
        rows, unreadable = observe_sequences(self._hurry(session), self._scope.limit)
        if unreadable:
            self._lost(
                sequences.SEQUENCES,
                name,
                f"{unreadable} sequences may not be read: {sequences.SEQUENCES.advice}",
            )
        return rows

    def _statements(self, session: Session) -> list[Any]:
        home = statements_home(self._hurry(session))
        if home is None:
            return []
        self._statements_seen = True
        return decoded(statements.STATEMENTS, heaviest_statements(session, home, self._values()), self._server)

    def _no_statements(self) -> None:
        if not self._wants(statements.STATEMENTS) or self._statements_seen:
            return
        self.observed.rows.pop(statements.STATEMENTS.name, None)
        if not self._server.monitor:
            self._lost(statements.STATEMENTS, None, NOT_MONITOR.format(user=self._server.user))
        else:
            advice = statements.STATEMENTS.advice
            self._lost(statements.STATEMENTS, None, f"no database looked at has the extension: {advice}")

    def _explain_bloat(self, name: str) -> None:
        """Tables that could not be estimated are said to be so, instead of looking healthy."""
        for seen in self.observed.of(bloat.UNESTIMATED):
            if seen.database == name and seen.row.forbidden:
                self._lost(
                    bloat.TABLE_BLOAT,
                    name,
                    f"{seen.row.forbidden} tables of 1 MiB and more may not be read, and so their statistics neither: "
                    "GRANT pg_read_all_data (from version 14) or SELECT on them to the role",
                )

    # -- what is not one statement of SQL ----------------------------------

    def _custom(self, session: Session, database: str) -> None:
        if not self._wants(custom.CUSTOM_VALUES):
            return
        for question in self._scope.queries:
            if (question.database or self._connection["dbname"]) == database:
                self._ask_custom(session, question, database)

    def _ask_custom(self, session: Session, question: CustomQuery, database: str) -> None:
        self._attempt(
            custom.CUSTOM_VALUES,
            database,
            lambda: observe_custom(self._hurry(session), question, self._scope.limit),
            question.name,
        )

    def _disks(self) -> None:
        if not self._wants(storage.DISKS):
            return
        paths = [seen.row for seen in self.observed.of(storage.STORAGE_PATHS)]
        self._attempt(storage.DISKS, None, lambda: self._disk_rows(paths))

    def _disk_rows(self, paths: Sequence[storage.StoragePath]) -> list[Any]:
        if not self._server.same_host:
            raise elsewhere()
        disks, refusals = observe_disks(paths)
        for reason in refusals:
            self._lost(storage.DISKS, None, reason)
        return disks

    def _open_sample(self, session: Session) -> RateSample | None:
        baseline = self._scope.transaction_rate_baseline
        if baseline is None or not self._wants(custom.TRANSACTION_RATE):
            return None
        return RateSample(session, baseline, self._scope.sample_seconds)

    def _close_sample(self, session: Session, sample: RateSample | None) -> None:
        if sample is not None:
            self._attempt(custom.TRANSACTION_RATE, None, lambda: [sample.close(session, self._deadline)])

    def _pooler(self) -> None:
        if self._scope.pooler is None or not self._wants(pooler.POOLS):
            return
        if self._deadline.passed():
            self._lost(pooler.POOLER_TOTALS, None, self._no_time())
            return
        try:
            with Session(self._scope.pooler, self._deadline.at_most(self._scope.connect_seconds)) as console:
                self._attempt(pooler.POOLER_TOTALS, None, lambda: [observe_pooler(console)])
                self._attempt(pooler.POOLS, None, lambda: observe_pools(console))
        except Unreachable as error:
            self.observed.add(pooler.POOLER_DOWN, [Seen(None, pooler.PoolerDown(error.sentence))])


def decoded(probe: Probe, records: Sequence[Mapping[str, Any]], server: Server) -> list[Any]:
    """Rows as values; the text of other people's queries leaves here without its literals."""
    if probe.convert is not None:
        return [probe.convert(record, server) for record in records]
    return [
        probe.row(**{**record, "query": masked(record["query"] or "")} if "query" in record else record)
        for record in records
    ]
