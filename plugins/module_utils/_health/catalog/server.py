# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who the server is, and what is wrong with its configuration."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import DATABASE, Probe

# The timeline of a primary is read from its WAL position: the control file lags
# behind until the first checkpoint after a promotion.
IDENTITY = """
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS version_num,
       CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END AS role,
       CASE WHEN pg_is_in_recovery()
            THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver),
                          (SELECT timeline_id FROM pg_control_checkpoint()))
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
       END AS timeline,
       (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
       current_setting('cluster_name') AS cluster_name,
       current_setting('data_checksums')::bool AS data_checksums,
       extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS uptime_seconds,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS monitor,
       current_user::text AS user,
       inet_server_addr() IS NOT DISTINCT FROM inet_client_addr() AS same_host,
       current_setting('default_transaction_read_only')::bool AS settings_kept,
       current_setting('block_size')::int AS block_bytes,
       current_setting('autovacuum')::bool AND current_setting('track_counts')::bool AS autovacuum,
       current_setting('synchronous_standby_names') AS synchronous_standby_names,
       to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS now
"""

DATABASES = """
SELECT datname::text AS name
  FROM pg_database
 WHERE datallowconn AND datconnlimit <> -2 AND NOT datistemplate AND has_database_privilege(oid, 'CONNECT')
 ORDER BY datname
"""


@dataclass(frozen=True)
class PendingSetting:
    name: str
    current: str


PENDING_SETTINGS = Probe(
    name="pending_settings",
    subset="server",
    row=PendingSetting,
    # Settings that only superusers see, shared_preload_libraries for one, would be missing unsaid.
    needs_monitor=True,
    sql={13: "SELECT name, setting AS current FROM pg_settings WHERE pending_restart ORDER BY name"},
)


@dataclass(frozen=True)
class ConfigurationError:
    file: str
    line: int
    setting: str | None
    error: str


# A changed setting that waits for a restart is listed as an error too; it is
# reported by its own check.
CONFIGURATION_ERRORS = Probe(
    name="configuration_errors",
    subset="server",
    row=ConfigurationError,
    sql={
        13: """
SELECT f.sourcefile AS file, f.sourceline AS line, f.name AS setting, f.error
  FROM pg_file_settings f
 WHERE f.error IS NOT NULL
   AND NOT EXISTS (SELECT FROM pg_settings s WHERE s.name = f.name AND s.pending_restart)
 ORDER BY f.sourcefile, f.sourceline
"""
    },
    advice="GRANT SELECT ON pg_file_settings and EXECUTE ON FUNCTION pg_show_all_file_settings() to the role",
)


@dataclass(frozen=True)
class HbaError:
    line: int
    error: str


HBA_ERRORS = Probe(
    name="hba_errors",
    subset="server",
    row=HbaError,
    sql={13: "SELECT line_number AS line, error FROM pg_hba_file_rules WHERE error IS NOT NULL ORDER BY line_number"},
    advice="GRANT SELECT ON pg_hba_file_rules and EXECUTE ON FUNCTION pg_hba_file_rules() to the role",
)


@dataclass(frozen=True)
class CollationMismatch:
    collation: str
    recorded_version: str
    actual_version: str


# Only collations that an index is ordered by: those are what silently breaks.
_INDEXED_COLLATIONS = """
SELECT c.collname::text AS collation, c.collversion AS recorded_version,
       pg_collation_actual_version(c.oid) AS actual_version
  FROM pg_collation c
 WHERE c.collversion IS NOT NULL
   AND c.collversion IS DISTINCT FROM pg_collation_actual_version(c.oid)
   AND c.oid IN (SELECT unnest(indcollation) FROM (SELECT DISTINCT indcollation FROM pg_index) used)
"""

COLLATION_MISMATCHES = Probe(
    name="collation_mismatches",
    subset="server",
    scope=DATABASE,
    row=CollationMismatch,
    sql={
        13: _INDEXED_COLLATIONS,
        15: _INDEXED_COLLATIONS
        + """
UNION ALL
SELECT 'the database default', datcollversion, pg_database_collation_actual_version(oid)
  FROM pg_database
 WHERE datname = current_database()
   AND datcollversion IS NOT NULL
   AND datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid)
""",
    },
)

PROBES = (PENDING_SETTINGS, CONFIGURATION_ERRORS, HBA_ERRORS, COLLATION_MISMATCHES)
