# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One run at a time looks after a table: two would take each other's half-done work for left-overs."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused, TookTooLong
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

# The upper half of the lock's key ("RBPG"); the lower one is the table's oid.
_OURS = 0x52425047

TAKE = "SELECT pg_advisory_lock(%(key)s)"
HOLDER = """
SELECT l.pid, a.backend_start::timestamp(0)::text AS since
  FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
   AND l.classid = %(ours)s AND l.objid = %(oid)s AND l.database = (SELECT oid FROM pg_database
                                                                     WHERE datname = current_database())
"""


def hold(session: Session, oid: int, title: str) -> None:
    """Until the session ends, also by a kill. Waits no longer than for any lock, since the server may take a moment
    to notice that an earlier run was killed."""
    try:
        session.fetch(TAKE, {"key": (_OURS << 32) | oid})
    except TookTooLong:
        _refuse(session, oid, title)


def _refuse(session: Session, oid: int, title: str) -> None:
    rows = session.fetch(HOLDER, {"ours": _OURS, "oid": oid})
    who = f"server process {rows[0]['pid']}, since {rows[0]['since']} UTC" if rows else "it just ended"
    raise Refused(f"{title} is being looked after by another run ({who}): run this again when it is through.")
