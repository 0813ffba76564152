# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who follows this server, whom it follows, and what that keeps from being removed."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Probe, filled

# Where WAL ends on this server, whichever role it has.
_WAL_END = """
CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
     ELSE pg_current_wal_lsn() END"""


@dataclass(frozen=True)
class Replica:
    name: str
    client: str
    state: str
    sync_state: str
    sent_lag_bytes: int | None
    flush_lag_bytes: int | None
    replay_lag_bytes: int | None
    replay_lag_seconds: float


# The server goes on showing the last lag it measured for a while after the
# replica has caught up.
REPLICAS = Probe(
    name="replicas",
    subset="replication",
    row=Replica,
    needs_monitor=True,
    sql={
        13: filled(
            """
SELECT coalesce(nullif(application_name, ''), 'pid ' || pid) AS name, coalesce(host(client_addr), 'local') AS client,
       state, sync_state,
       pg_wal_lsn_diff({wal_end}, sent_lsn)::bigint AS sent_lag_bytes,
       pg_wal_lsn_diff({wal_end}, flush_lsn)::bigint AS flush_lag_bytes,
       pg_wal_lsn_diff({wal_end}, replay_lsn)::bigint AS replay_lag_bytes,
       CASE WHEN replay_lsn >= {wal_end} THEN 0
            ELSE coalesce(extract(epoch FROM replay_lag), 0) END::float8 AS replay_lag_seconds
  FROM pg_stat_replication
 WHERE state <> 'backup'
 ORDER BY 1
""",
            wal_end=_WAL_END,
        )
    },
)


@dataclass(frozen=True)
class Standby:
    """How a standby sees itself."""

    receiving: bool
    configured: bool
    sender: str | None
    paused: bool
    received_lsn: str | None
    replayed_lsn: str | None
    received_lag_bytes: int
    replay_lag_seconds: float


# The age of the last replayed transaction is lag only while something waits to
# be replayed: on an idle primary it grows without anything being behind.
STANDBY = Probe(
    name="standby",
    subset="replication",
    row=Standby,
    role="standby",
    single=True,
    needs_monitor=True,
    sql={
        13: """
SELECT r.pid IS NOT NULL AND r.status = 'streaming' AS receiving,
       current_setting('primary_conninfo') <> '' AS configured,
       r.sender_host || ' port ' || r.sender_port AS sender,
       pg_is_wal_replay_paused() AS paused,
       pg_last_wal_receive_lsn()::text AS received_lsn, pg_last_wal_replay_lsn()::text AS replayed_lsn,
       coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0)::bigint AS received_lag_bytes,
       CASE WHEN r.status = 'streaming' AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)
       END::float8 AS replay_lag_seconds
  FROM (SELECT 1) always
  LEFT JOIN pg_stat_wal_receiver r ON true
"""
    },
)


CAUGHT_UP = "SELECT pg_last_wal_replay_lsn() >= %(received)s::pg_lsn AS caught_up"


@dataclass(frozen=True)
class ReplicationSlot:
    name: str
    kind: str
    database: str | None
    active: bool
    inactive_seconds: float | None
    wal_status: str | None
    retained_bytes: int | None
    safe_bytes: int | None
    xmin_transactions: int | None


_SLOTS = """
SELECT slot_name::text AS name, slot_type AS kind, database::text, {active} AS active,
       {inactive_seconds} AS inactive_seconds, wal_status,
       pg_wal_lsn_diff({wal_end}, restart_lsn)::bigint AS retained_bytes, safe_wal_size AS safe_bytes,
       greatest(age(xmin), age(catalog_xmin)) AS xmin_transactions
  FROM pg_replication_slots
 WHERE NOT temporary
 ORDER BY slot_name
"""


def _slots(active: str, inactive_seconds: str) -> str:
    return filled(_SLOTS, wal_end=_WAL_END, active=active, inactive_seconds=inactive_seconds)


REPLICATION_SLOTS = Probe(
    name="replication_slots",
    subset="replication",
    row=ReplicationSlot,
    sql={
        13: _slots(active="active", inactive_seconds="NULL::float8"),
        # A slot that is kept in step with the primary's has no reader here and needs none.
        17: _slots(
            active="active OR synced",
            inactive_seconds="extract(epoch FROM clock_timestamp() - inactive_since)::float8",
        ),
    },
)


@dataclass(frozen=True)
class Subscription:
    name: str
    database: str
    enabled: bool
    running: bool
    apply_errors: int | None
    sync_errors: int | None
    errors_since_seconds: float | None


_SUBSCRIPTIONS = """
SELECT s.subname::text AS name, d.datname::text AS database, s.subenabled AS enabled,
       EXISTS (SELECT {worker} AND w.relid IS NULL AND w.pid IS NOT NULL) AS running,
       {errors}
 ORDER BY 1
"""
_WORKER = "FROM pg_stat_subscription w WHERE w.subid = s.oid"
# Version 13 lets only superusers read pg_subscription.oid. A name is unique within
# its database, which the worker is connected to.
_WORKER_BY_NAME = """FROM pg_stat_subscription w JOIN pg_stat_activity a ON a.pid = w.pid
                WHERE w.subname = s.subname AND a.datid = s.subdbid"""
_NO_ERRORS = """NULL::bigint AS apply_errors, NULL::bigint AS sync_errors, NULL::float8 AS errors_since_seconds
  FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"""
_ERRORS = """e.apply_error_count AS apply_errors, e.sync_error_count AS sync_errors,
       extract(epoch FROM clock_timestamp() - e.stats_reset)::float8 AS errors_since_seconds
  FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
  LEFT JOIN pg_stat_subscription_stats e ON e.subid = s.oid"""

SUBSCRIPTIONS = Probe(
    name="subscriptions",
    subset="replication",
    row=Subscription,
    sql={
        13: filled(_SUBSCRIPTIONS, worker=_WORKER_BY_NAME, errors=_NO_ERRORS),
        14: filled(_SUBSCRIPTIONS, worker=_WORKER, errors=_NO_ERRORS),
        15: filled(_SUBSCRIPTIONS, worker=_WORKER, errors=_ERRORS),
    },
)

PROBES = (REPLICAS, STANDBY, REPLICATION_SLOTS, SUBSCRIPTIONS)
