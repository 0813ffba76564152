# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ask a standby how far behind it is, and look twice before believing it.

WAL that arrived this instant is not replayed yet, and on a primary that was
idle the last replayed commit may be hours old. Only what is still waiting
after a moment makes that age a lag.
"""

from __future__ import annotations

import time
from dataclasses import replace

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.replication import (
    CAUGHT_UP,
    STANDBY,
    Standby,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.plain import ask
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Seen
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

SECOND_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 0.02


def ask_standby(interview: Interview, session: Session) -> None:
    ask(interview, session, STANDBY, None)
    seen = interview.observed.of(STANDBY)
    # Cut off from its sender it shows old data, however much of what it has is replayed.
    if seen and seen[0].row.receiving and seen[0].row.replay_lag_seconds > 0:
        interview.observed.rows[STANDBY.name] = [Seen(None, _looked_at_again(interview, session, seen[0].row))]


def _looked_at_again(interview: Interview, session: Session, row: Standby) -> Standby:
    """Zero lag where everything that had arrived at the first look is replayed by now."""
    started = time.monotonic()
    while time.monotonic() < started + min(SECOND_LOOK_SECONDS, interview.remaining()):
        try:
            if session.fetch(CAUGHT_UP, {"received": row.received_lsn})[0]["caught_up"]:
                return replace(row, replay_lag_seconds=0.0)
        except QueryFailed:
            return row
        time.sleep(_PAUSE_SECONDS)
    return row
