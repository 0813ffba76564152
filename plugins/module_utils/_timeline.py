# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""On which timeline a server is, as SQL: no function of PostgreSQL's says it of a standby whose primary is gone."""

from __future__ import annotations

# After a promotion elsewhere the control file names the new timeline at the next restart point only, minutes later, and
# the WAL receiver while there is one. The files of what was received bear it in their names at once.
RECEIVED = """greatest(
          (SELECT received_tli FROM pg_stat_wal_receiver),
          (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
          (SELECT timeline_id FROM pg_control_checkpoint()),
          (SELECT max(('x' || left(name, 8))::bit(32)::int)
           FROM pg_ls_waldir(),
                (SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/1'::pg_lsn AS byte) AS last,
                (SELECT setting::numeric AS bytes FROM pg_settings WHERE name = 'wal_segment_size') AS segment
           WHERE name ~ '^[0-9A-F]{24}$'
             AND right(name, 16) = lpad(upper(to_hex(div(byte, 4294967296)::bigint)), 8, '0')
                                || lpad(upper(to_hex(div(mod(byte, 4294967296), bytes)::bigint)), 8, '0')))"""
WRITTEN = "('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"
TIMELINE = f"CASE WHEN pg_is_in_recovery() THEN {RECEIVED} ELSE {WRITTEN} END"
