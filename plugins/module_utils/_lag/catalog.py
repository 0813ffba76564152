# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a primary and a standby say of the WAL between them, each in one answer."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._debian import literal
from ansible_collections.runbook.postgres.plugins.module_utils._receiver import STREAMS

ROLE = "SELECT json_build_object('standby', pg_is_in_recovery())"

PRIMARY = """
SELECT json_build_object(
  'current', pg_current_wal_lsn(),
  'oldest_wal', (SELECT to_hex(('x' || left(oldest, 8))::bit(32)::bigint) || '/'
        || to_hex(('x' || right(oldest, 8))::bit(32)::bigint
                  * (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'))
      FROM (SELECT min(right(name, 16)) AS oldest FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$') AS files),
  'sent', (SELECT coalesce(json_object_agg(application_name, sent_lsn), '{}') FROM pg_stat_replication
           WHERE state <> 'backup'),
  'lost', (SELECT coalesce(json_agg(slot_name), '[]') FROM pg_replication_slots WHERE wal_status = 'lost'))
"""

# Whoever has had a transaction open for the longest is whom a conflict waits for. What it runs is not read: a
# statement may hold a secret.
_STANDBY = f"""
SELECT json_build_object(
  'caught_up', pg_last_wal_replay_lsn() >= {{target}},
  'replayed', pg_last_wal_replay_lsn(),
  'received', pg_last_wal_receive_lsn(),
  'age', extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()),
  'paused', pg_is_wal_replay_paused(),
  'delay', current_setting('recovery_min_apply_delay'),
  'patience', current_setting('max_standby_streaming_delay'),
  'streams', {STREAMS},
  'replay_waits', (SELECT wait_event_type || ':' || wait_event FROM pg_stat_activity WHERE backend_type = 'startup'),
  'receiver_waits', (SELECT wait_event_type || ':' || wait_event FROM pg_stat_activity
                     WHERE backend_type = 'walreceiver'),
  'longest', (SELECT json_build_object('pid', pid, 'user', usename, 'database', datname,
                'application', application_name, 'seconds', extract(epoch FROM clock_timestamp() - xact_start))
              FROM pg_stat_activity
              WHERE backend_type = 'client backend' AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
              ORDER BY xact_start LIMIT 1))
"""  # noqa: S608 - a constant of ours


def standby(target: str) -> str:
    """`target` is how far the primary was."""
    return _STANDBY.format(target=f"{literal(target)}::pg_lsn")
