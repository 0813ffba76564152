# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the WAL receiver of a standby does, as SQL."""

from __future__ import annotations

# It calls itself streaming as soon as it is connected, before the upstream has agreed: one whose slot is missing says
# so anew every few seconds. That it truly streams shows in a first word of the upstream (both times are set alike at
# its start, and the upstream's word has the time of the upstream's clock), or in that it waits for one: an upstream
# that has nothing to send is silent for half of its wal_sender_timeout.
_TRULY = """(last_msg_send_time <> last_msg_receipt_time OR EXISTS (
    SELECT FROM pg_catalog.pg_stat_activity AS process
    WHERE process.pid = receiver.pid AND process.wait_event = 'WalReceiverMain'))"""

# To be read from RECEIVER: null where there is none.
STATUS = f"CASE WHEN status = 'streaming' AND NOT {_TRULY} THEN 'connecting' ELSE status END"
RECEIVER = "pg_catalog.pg_stat_wal_receiver AS receiver"
STREAMS = f"EXISTS (SELECT FROM {RECEIVER} WHERE status = 'streaming' AND {_TRULY})"
