# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Are there too many, do they take too long, and does anybody wait?"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.runbook.postgres.plugins.module_utils._health.blocking import (
    Blocked,
    blocking_forest,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import sessions as seen_by
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import (
    Check,
    Levels,
    Measure,
    shown_count,
    shown_seconds,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed, Probe


def _totals(observed: Observed) -> Iterable[seen_by.SessionTotals]:
    for seen in observed.of(seen_by.SESSION_TOTALS):
        yield seen.row


def _connections(observed: Observed) -> Iterable[Measure]:
    for row in _totals(observed):
        yield Measure(row.used_percent, f"{row.clients} of max_connections = {row.max_connections} are taken.")


def _active(observed: Observed) -> Iterable[Measure]:
    for row in _totals(observed):
        yield Measure(row.active, f"{shown_count(row.active, 'session')} run a query at this moment.")


def _longest(observed: Observed) -> Iterable[Measure]:
    for row in _totals(observed):
        seconds = row.longest_query_seconds
        yield Measure(seconds, f"The longest running query has taken {shown_seconds(seconds)} so far.")


def _waiting(observed: Observed) -> Iterable[Measure]:
    for row in _totals(observed):
        if row.clients:
            yield Measure(
                100.0 * row.waiting_for_lock / row.clients,
                f"{row.waiting_for_lock} of {shown_count(row.clients, 'session')} wait for a lock "
                "longer than deadlock_timeout.",
                basis=row.clients,
            )


def _who(row: seen_by.SessionAge) -> str:
    application = f", {row.application}" if row.application else ""
    return f"Pid {row.pid} ({row.role} in {row.database} from {row.client}{application})"


def _each(observed: Observed, probe: Probe, does: str) -> Iterable[Measure]:
    for seen in observed.of(probe):
        row = seen.row
        yield Measure(
            row.seconds,
            f"{_who(row)} {does} for {shown_seconds(row.seconds)}{_held_up(row)}: {row.query or 'no query yet'}",
            f"pid {row.pid}",
            row.database,
        )


def _held_up(row: seen_by.SessionAge) -> str:
    """A query that waits for a lock is not slow: the plan is not where to look."""
    event = row.wait_event or ""
    return f", waiting for a lock ({event.partition(':')[2]})" if event.startswith("Lock:") else ""


def _slow(observed: Observed) -> Iterable[Measure]:
    return _each(observed, seen_by.ACTIVE_QUERIES, "has run a query")


def _idle_in_transaction(observed: Observed) -> Iterable[Measure]:
    return _each(observed, seen_by.IDLE_TRANSACTIONS, "has sat idle in a transaction")


def _idle(observed: Observed) -> Iterable[Measure]:
    return _each(observed, seen_by.IDLE_SESSIONS, "has been idle")


def _blocked(observed: Observed) -> Iterable[Measure]:
    for tree in blocking_forest([seen.row for seen in observed.of(seen_by.LOCK_PARTIES)]):
        yield Measure(
            tree.longest_wait(),
            f"{_root(tree)} blocks {shown_count(tree.count(), 'session')}, "
            f"the longest for {shown_seconds(tree.longest_wait())}.",
            f"pid {tree.pid}" if tree.pid else "prepared transaction",
            tree.party.database if tree.party else None,
        )


def _root(tree: Blocked) -> str:
    party = tree.party
    if party is None:
        return "A prepared transaction" if tree.pid == 0 else f"Pid {tree.pid}"
    role = party.role or "a server process"
    since = f" for {shown_seconds(party.transaction_seconds)}" if party.transaction_seconds else ""
    return f"Pid {party.pid} ({role} in {party.database}, {party.state or 'working'}, in its transaction{since})"


def _prepared(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.PREPARED_TRANSACTIONS):
        row = seen.row
        yield Measure(
            row.seconds,
            f"Prepared transaction '{row.gid}' of {row.owner} in {row.database} "
            f"has held its locks for {shown_seconds(row.seconds)}.",
            row.gid,
            row.database,
        )


CHECKS = (
    Check(
        name="connections_percent",
        subset="sessions",
        unit="%",
        measure=_connections,
        remedy="End idle sessions, or put a pooler in front before max_connections is raised.",
        levels=Levels(warning=80, critical=90),
    ),
    Check(
        name="active_connections",
        subset="sessions",
        unit="sessions",
        measure=_active,
        remedy="Look at the longest queries and at who blocks whom; limit the pool to what the cores can serve.",
        levels=Levels(warning=50, critical=80),
    ),
    Check(
        name="longest_query_seconds",
        subset="sessions",
        unit="s",
        measure=_longest,
        remedy="Look at the query's plan; SELECT pg_cancel_backend(pid) ends the query and keeps its session.",
        levels=Levels(warning=300, critical=600),
    ),
    Check(
        name="slow_query_seconds",
        subset="sessions",
        unit="s",
        measure=_slow,
        remedy="Where it waits for a lock, look at who blocks it, else at its plan; SELECT pg_cancel_backend(pid) "
        "ends it.",
        levels=Levels(warning=5),
    ),
    Check(
        name="idle_in_transaction_seconds",
        subset="sessions",
        unit="s",
        measure=_idle_in_transaction,
        remedy="SELECT pg_terminate_backend(pid) ends it; set idle_in_transaction_session_timeout.",
        levels=Levels(warning=600),
    ),
    Check(
        name="idle_session_seconds",
        subset="sessions",
        unit="s",
        measure=_idle,
        remedy="SELECT pg_terminate_backend(pid) ends it; look for the leak in the application's pool.",
    ),
    Check(
        name="lock_waiting_percent",
        subset="sessions",
        unit="%",
        measure=_waiting,
        remedy="Look at the blocking tree and end the session at its root.",
        levels=Levels(warning=1, critical=5, floor=10),
        floor_of="client sessions",
    ),
    Check(
        name="blocked_seconds",
        subset="sessions",
        unit="s",
        measure=_blocked,
        remedy="SELECT pg_terminate_backend(pid) of the root frees them; a prepared transaction takes "
        "ROLLBACK PREPARED.",
        levels=Levels(warning=30, critical=300),
    ),
    Check(
        name="prepared_transaction_seconds",
        subset="sessions",
        unit="s",
        measure=_prepared,
        remedy="Ask its transaction manager, then COMMIT PREPARED or ROLLBACK PREPARED.",
        levels=Levels(warning=300, critical=3600),
    ),
)
