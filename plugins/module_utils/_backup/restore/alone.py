# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One restore into a target at a time: two would take each other's half-made database for left-overs."""

from __future__ import annotations

import time

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

# "RBRS", beside the target's own number.
TAKE = "SELECT pg_try_advisory_lock(1380078163, hashtext(%(target)s)) AS taken"

# Such locks are of one database each, and everybody sees all of them: who is connected to another one counts as well.
OTHERS = """
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 1380078163 AND objsubid = 2 AND granted
    AND objid = (hashtext(%(target)s)::bigint & 4294967295)::oid AND pid <> pg_backend_pid()) AS held
"""

# The server takes a moment to notice that an earlier run was killed.
SECONDS = 5.0


def hold(session: Session, target: str) -> None:
    """Until the session ends, also by a kill."""
    deadline = Deadline(SECONDS)
    taken = False
    while True:
        taken = taken or session.fetch(TAKE, {"target": target})[0]["taken"]
        if taken and not session.fetch(OTHERS, {"target": target})[0]["held"]:
            return
        if deadline.passed():
            raise Refused(f"Another run restores into {target} now: run this again when it is through.")
        time.sleep(0.1)
