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

# The server takes a moment to notice that an earlier run was killed.
SECONDS = 5.0


def hold(session: Session, target: str) -> None:
    """Until the session ends, also by a kill."""
    deadline = Deadline(SECONDS)
    while not session.fetch(TAKE, {"target": target})[0]["taken"]:
        if deadline.passed():
            raise Refused(f"Another run restores into {target} now: run this again when it is through.")
        time.sleep(0.1)
