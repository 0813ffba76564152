# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who is connected, what they do, and who waits for whom."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Probe, filled


@dataclass(frozen=True)
class SessionTotals:
    clients: int
    active: int
    idle: int
    idle_in_transaction: int
    waiting_for_lock: int
    max_connections: int
    reserved_connections: int
    used_percent: float
    longest_query_seconds: float
    longest_transaction_seconds: float


# A wait counts once it outlasts deadlock_timeout, the server's own idea of a
# wait worth mentioning: shorter ones are how locks work. Until 13 the start of
# a wait is not recorded and the start of the statement stands for it.
_TOTALS = """
WITH client AS (
  SELECT pid, state, wait_event_type, xact_start, query_start
    FROM pg_stat_activity
   WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
)
SELECT count(*)::int AS clients,
       count(*) FILTER (WHERE state = 'active')::int AS active,
       count(*) FILTER (WHERE state = 'idle')::int AS idle,
       count(*) FILTER (WHERE state LIKE 'idle in transaction%%')::int AS idle_in_transaction,
       count(*) FILTER (WHERE wait_event_type = 'Lock' AND clock_timestamp() - {waiting_since} >
                              current_setting('deadlock_timeout')::interval)::int AS waiting_for_lock,
       current_setting('max_connections')::int AS max_connections,
       {reserved} AS reserved_connections,
       100.0::float8 * count(*) / current_setting('max_connections')::int AS used_percent,
       coalesce(extract(epoch FROM clock_timestamp() - min(query_start) FILTER (WHERE state = 'active')),
                0)::float8 AS longest_query_seconds,
       coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)), 0)::float8 AS longest_transaction_seconds
  FROM client
"""
_SUPERUSER_RESERVED = "current_setting('superuser_reserved_connections')::int"
_WAITSTART = "(SELECT min(l.waitstart) FROM pg_locks l WHERE l.pid = client.pid AND NOT l.granted)"


SESSION_TOTALS = Probe(
    name="session_totals",
    subset="sessions",
    row=SessionTotals,
    single=True,
    needs_monitor=True,
    sql={
        13: filled(_TOTALS, waiting_since="query_start", reserved=_SUPERUSER_RESERVED),
        14: filled(_TOTALS, waiting_since=_WAITSTART, reserved=_SUPERUSER_RESERVED),
        16: filled(
            _TOTALS,
            waiting_since=_WAITSTART,
            reserved=_SUPERUSER_RESERVED + " + current_setting('reserved_connections')::int",
        ),
    },
)


@dataclass(frozen=True)
class SessionAge:
    """A session and how long it has been at what it does."""

    pid: int
    role: str | None
    database: str | None
    application: str
    client: str
    seconds: float
    wait_event: str | None
    query: str


def _oldest(state: str, since: str) -> dict[int, str]:
    """The sessions longest in a state, the oldest first."""
    return {
        13: filled(
            """
SELECT pid, usename::text AS role, datname::text AS database, application_name AS application,
       coalesce(host(client_addr), 'local') AS client,
       extract(epoch FROM clock_timestamp() - {since})::float8 AS seconds,
       wait_event_type || ':' || wait_event AS wait_event, query
  FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND {state}
 ORDER BY {since}
 LIMIT %(limit)s
""",
            state=state,
            since=since,
        )
    }


ACTIVE_QUERIES = Probe(
    name="active_queries",
    subset="sessions",
    row=SessionAge,
    needs_monitor=True,
    sql=_oldest("state = 'active'", "query_start"),
)
IDLE_TRANSACTIONS = Probe(
    name="idle_transactions",
    subset="sessions",
    row=SessionAge,
    needs_monitor=True,
    sql=_oldest("state LIKE 'idle in transaction%%'", "state_change"),
)
IDLE_SESSIONS = Probe(
    name="idle_sessions",
    subset="sessions",
    row=SessionAge,
    needs_monitor=True,
    sql=_oldest("state = 'idle'", "state_change"),
)


@dataclass(frozen=True)
class LockParty:
    """A session that waits for a lock, or that one of those waits for."""

    pid: int
    blocked_by: list[int]
    waiting_seconds: float
    lock: str | None
    role: str | None
    database: str | None
    application: str
    state: str | None
    transaction_seconds: float
    query: str


# Only sessions that wait are asked for their blockers: the function stops the
# lock manager for the moment it runs.
_LOCKS = """
WITH waiting AS MATERIALIZED (
  SELECT a.pid, pg_blocking_pids(a.pid) AS blocked_by
    FROM pg_stat_activity a
   WHERE a.wait_event_type = 'Lock'
), wanted AS MATERIALIZED (
  SELECT DISTINCT ON (l.pid) l.pid, l.mode || ' on ' || l.locktype AS lock, {waiting_since} AS since
    FROM pg_locks l
   WHERE NOT l.granted AND l.pid IN (SELECT pid FROM waiting)
)
SELECT a.pid, coalesce(w.blocked_by, '{}') AS blocked_by,
       CASE WHEN w.pid IS NULL THEN 0
            ELSE extract(epoch FROM clock_timestamp() - coalesce(d.since, a.query_start))
       END::float8 AS waiting_seconds,
       d.lock, a.usename::text AS role, a.datname::text AS database, a.application_name AS application, a.state,
       coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8 AS transaction_seconds, a.query
  FROM pg_stat_activity a
  LEFT JOIN waiting w USING (pid)
  LEFT JOIN wanted d USING (pid)
 WHERE w.pid IS NOT NULL OR a.pid IN (SELECT unnest(blocked_by) FROM waiting)
 ORDER BY a.pid
"""
LOCK_PARTIES = Probe(
    name="lock_parties",
    subset="sessions",
    row=LockParty,
    needs_monitor=True,
    sql={
        13: filled(_LOCKS, waiting_since="NULL::timestamptz"),
        14: filled(_LOCKS, waiting_since="l.waitstart"),
    },
)


@dataclass(frozen=True)
class PreparedTransaction:
    gid: str
    owner: str
    database: str
    seconds: float


PREPARED_TRANSACTIONS = Probe(
    name="prepared_transactions",
    subset="sessions",
    row=PreparedTransaction,
    sql={
        13: """
SELECT gid, owner::text, database::text, extract(epoch FROM clock_timestamp() - prepared)::float8 AS seconds
  FROM pg_prepared_xacts
 ORDER BY prepared
 LIMIT %(limit)s
"""
    },
)

PROBES = (
    SESSION_TOTALS,
    ACTIVE_QUERIES,
    IDLE_TRANSACTIONS,
    IDLE_SESSIONS,
    LOCK_PARTIES,
    PREPARED_TRANSACTIONS,
)
