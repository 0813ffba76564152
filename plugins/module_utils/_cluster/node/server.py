# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a running server says of itself, in one answer to one question."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._debian import Socket
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Silent
from ansible_collections.runbook.postgres.plugins.module_utils._receiver import RECEIVER, STATUS
from ansible_collections.runbook.postgres.plugins.module_utils._timeline import TIMELINE

SECONDS = 8.0
# How long a server that is still starting is waited for.
STARTING_SECONDS = 10.0
STARTING = ("is starting up", "not yet accepting connections", "not accepting connections")
HANGS = ("timeout expired", "statement timeout")

QUESTION = f"""
SELECT json_build_object(
  'data_directory', current_setting('data_directory'),
  'server_version_num', current_setting('server_version_num')::int,
  'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
  'checksums', current_setting('data_checksums') = 'on',
  'in_recovery', pg_is_in_recovery(),
  'timeline', {TIMELINE},
  'receive_lsn', pg_last_wal_receive_lsn(),
  'replay_lsn', pg_last_wal_replay_lsn(),
  'replay_paused', CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END,
  'current_lsn', CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_lsn() END,
  'upstream', (SELECT json_build_object('host', sender_host, 'port', sender_port, 'status', {STATUS})
      FROM {RECEIVER}),
  'streaming', (SELECT coalesce(json_agg(DISTINCT application_name), '[]')
      FROM pg_stat_replication WHERE state = 'streaming'),
  'slots', (SELECT coalesce(json_agg(json_build_object(
        'name', slot_name, 'active', active, 'reserved', restart_lsn IS NOT NULL) ORDER BY slot_name), '[]')
      FROM pg_replication_slots WHERE slot_type = 'physical'),
  'oldest_wal', (SELECT to_hex(('x' || left(oldest, 8))::bit(32)::bigint) || '/'
        || to_hex(('x' || right(oldest, 8))::bit(32)::bigint
                  * (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'))
      FROM (SELECT min(right(name, 16)) AS oldest FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{{24}}$') AS files),
  'awaits_wal', EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'startup'
      AND (wait_event LIKE 'RecoveryWal%' OR wait_event = 'RecoveryRetrieveRetryInterval')),
  'restores', current_setting('restore_command') <> '',
  -- No more of it: there may be a password in it.
  'upstream_hosts', string_to_array(substring(current_setting('primary_conninfo')
      FROM '(?:^|\\s)host=([^\\s'']+)'), ','),
  'settings', (SELECT json_object_agg(name, CASE WHEN vartype = 'integer' THEN to_json(setting::bigint)
        ELSE to_json(setting) END) FROM pg_settings
      WHERE name IN ('listen_addresses', 'port', 'max_connections', 'max_worker_processes', 'max_wal_senders',
        'max_prepared_transactions', 'max_locks_per_transaction', 'max_replication_slots',
        'recovery_min_apply_delay', 'synchronous_standby_names')),
  'pending_restart', (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM pg_settings WHERE pending_restart)
)
"""  # noqa: S608 - a constant of ours


@dataclass(frozen=True)
class Answer:
    """What was answered, or why nothing was."""

    facts: dict[str, Any] | None
    problem: str | None = None
    # It takes no connection in time, rather than refusing one.
    hangs: bool = False


def asked(port: int, directory: str) -> Answer:
    """One question over the unix socket, as the system user postgres."""
    waits = Deadline(STARTING_SECONDS)
    socket = Socket(port, directory, SECONDS, read_only=True)
    database = "postgres"
    while True:
        try:
            return Answer(dict(socket.json(QUESTION, database)))
        except Silent as error:
            return Answer(None, error.sentence, hangs=True)
        except (TypeError, ValueError):
            return Answer(None, f"{socket.place} gave an answer that cannot be read.")
        except Problem as error:
            words = error.sentence
        if any(told in words for told in HANGS):
            return Answer(None, words, hangs=True)
        if 'database "postgres" does not exist' in words and database == "postgres":
            database = "template1"
        elif any(told in words for told in STARTING) and not waits.passed():
            time.sleep(0.5)
        else:
            return Answer(None, words)
