# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What each database has done since its statistics began, and how old it is."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Probe


@dataclass(frozen=True)
class DatabaseActivity:
    database: str
    sessions: int
    transactions: int
    rollbacks: int
    blocks_read: int
    blocks_hit: int
    cache_hit_percent: float | None
    deadlocks: int
    deadlocks_per_hour: float
    temp_files: int
    temp_bytes: int
    temp_bytes_per_hour: float
    checksum_failures: int
    last_checksum_failure: str | None
    last_checksum_failure_seconds: float | None
    recovery_conflicts: int
    statistics_age_seconds: float
    xid_age: int
    xid_used_percent: float
    mxid_age: int
    mxid_used_percent: float


# Databases that take no connections age like all others, and keep the cluster's oldest ids.
# Statistics that were never reset began with the cluster, whose birth is kept
# in the upper half of the system identifier. Rates are over an hour at least:
# one event a second after a reset is not three thousand in an hour.
DATABASE_ACTIVITY = Probe(
    name="database_activity",
    subset="databases",
    row=DatabaseActivity,
    sql={
        13: """
SELECT d.datname::text AS database, s.numbackends AS sessions,
       s.xact_commit + s.xact_rollback AS transactions, s.xact_rollback AS rollbacks,
       s.blks_read AS blocks_read, s.blks_hit AS blocks_hit,
       (100.0 * s.blks_hit / nullif(s.blks_hit + s.blks_read, 0))::float8 AS cache_hit_percent,
       s.deadlocks, (s.deadlocks * 3600.0 / greatest(age.seconds, 3600))::float8 AS deadlocks_per_hour,
       s.temp_files, s.temp_bytes,
       (s.temp_bytes * 3600.0 / greatest(age.seconds, 3600))::float8 AS temp_bytes_per_hour,
       coalesce(s.checksum_failures, 0) AS checksum_failures,
       to_char(s.checksum_last_failure AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') AS last_checksum_failure,
       extract(epoch FROM clock_timestamp() - s.checksum_last_failure)::float8 AS last_checksum_failure_seconds,
       s.conflicts AS recovery_conflicts,
       age.seconds AS statistics_age_seconds,
       age(d.datfrozenxid) AS xid_age,
       (100.0 * age(d.datfrozenxid) / 2147483648)::float8 AS xid_used_percent,
       mxid_age(d.datminmxid) AS mxid_age,
       (100.0 * mxid_age(d.datminmxid) / 2147483648)::float8 AS mxid_used_percent
  FROM pg_database d
  JOIN pg_stat_database s ON s.datid = d.oid
 CROSS JOIN (SELECT to_timestamp(system_identifier >> 32) AS made FROM pg_control_system()) cluster
 CROSS JOIN LATERAL (
       SELECT extract(epoch FROM clock_timestamp() - coalesce(s.stats_reset, cluster.made))::float8 AS seconds
       ) age
 WHERE d.datconnlimit <> -2
 ORDER BY d.datname
"""
    },
)


@dataclass(frozen=True)
class SharedCatalogs:
    checksum_failures: int
    last_checksum_failure: str | None
    last_checksum_failure_seconds: float | None


# Roles, databases and tablespaces belong to no database, and are counted apart.
SHARED_CATALOGS = Probe(
    name="shared_catalogs",
    subset="databases",
    row=SharedCatalogs,
    single=True,
    sql={
        13: """
SELECT coalesce(checksum_failures, 0) AS checksum_failures,
       to_char(checksum_last_failure AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') AS last_checksum_failure,
       extract(epoch FROM clock_timestamp() - checksum_last_failure)::float8 AS last_checksum_failure_seconds
  FROM pg_stat_database
 WHERE datid = 0
"""
    },
)


@dataclass(frozen=True)
class DatabaseSize:
    database: str
    bytes: int
    other_tablespaces: bool


DATABASE_SIZES = Probe(
    name="database_sizes",
    subset="databases",
    row=DatabaseSize,
    # A size is that of all tablespaces together; which of them a database uses is known.
    # Without pg_read_all_stats only databases the role may connect to are measured.
    sql={
        13: """
SELECT database, bytes, other_tablespaces
  FROM (SELECT datname::text AS database, pg_database_size(oid) AS bytes,
               oid IN (SELECT pg_tablespace_databases(t.oid)
                         FROM pg_tablespace t
                        WHERE pg_tablespace_location(t.oid) <> '') AS other_tablespaces
          FROM pg_database
         WHERE datconnlimit <> -2
           AND (has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE'))) measured
 WHERE bytes IS NOT NULL -- one that is dropped at this moment
 ORDER BY 2 DESC
"""
    },
)


@dataclass(frozen=True)
class InvalidDatabase:
    database: str


# A DROP DATABASE that was interrupted leaves its entry behind, marked so that
# nobody can connect, and some of its files.
INVALID_DATABASES = Probe(
    name="invalid_databases",
    subset="databases",
    row=InvalidDatabase,
    sql={13: "SELECT datname::text AS database FROM pg_database WHERE datconnlimit = -2 ORDER BY datname"},
)


@dataclass(frozen=True)
class XminHolder:
    """Something that keeps vacuum from removing rows, and how many transactions back."""

    kind: str
    name: str
    transactions: int


# A transaction that has written holds back vacuum by its own number, between its
# statements too. Sessions that VACUUM do not: the server leaves them out itself.
XMIN_HOLDERS = Probe(
    name="xmin_holders",
    subset="databases",
    row=XminHolder,
    needs_monitor=True,
    sql={
        13: """
SELECT kind, name, transactions
  FROM (SELECT 'session' AS kind, 'pid ' || pid AS name,
               greatest(age(backend_xid), age(backend_xmin)) AS transactions
          FROM pg_stat_activity
         WHERE (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)
           AND backend_type NOT IN ('walsender', 'autovacuum worker') AND pid <> pg_backend_pid()
           AND pid NOT IN (SELECT v.pid FROM pg_stat_progress_vacuum v)
        UNION ALL
        SELECT 'replica', coalesce(nullif(application_name, ''), 'pid ' || pid), age(backend_xmin)
          FROM pg_stat_replication
         WHERE backend_xmin IS NOT NULL
        UNION ALL
        SELECT 'slot', slot_name::text, greatest(age(xmin), age(catalog_xmin))
          FROM pg_replication_slots
         WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
        UNION ALL
        SELECT 'prepared transaction', gid, age(transaction)
          FROM pg_prepared_xacts) holders
 ORDER BY transactions DESC
 LIMIT %(limit)s
"""
    },
)

PROBES = (DATABASE_ACTIVITY, SHARED_CATALOGS, DATABASE_SIZES, INVALID_DATABASES, XMIN_HOLDERS)
