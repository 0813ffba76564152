# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A server is asked how far it is; a standby until it has what its primary had, or for long enough to see why not."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._debian import Socket
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._lag import catalog

_PAUSE = 0.25


def look(socket: Socket, target: str | None, settle: float) -> dict[str, Any]:
    if not socket.json(catalog.ROLE)["standby"]:
        return {"role": "primary", **socket.json(catalog.PRIMARY)}
    if target is None:
        raise Refused(
            f"{socket.place} is a standby: say in primary_lsn how far its primary is, so that it is compared."
        )
    return {"role": "standby", "target": target, **_watched(socket, catalog.standby(target), settle)}


def _watched(socket: Socket, sql: str, settle: float) -> dict[str, Any]:
    began, deadline = time.monotonic(), Deadline(settle)
    waits: dict[str, Counter[str]] = {"replay_waits": Counter(), "receiver_waits": Counter()}
    first: dict[str, Any] = {}
    looks = 0
    while True:
        seen = dict(socket.json(sql))
        looks += 1
        first = first or seen
        for name, counted in waits.items():
            # Without one it works.
            counted[seen[name] or "none"] += 1
        if seen["caught_up"] or deadline.passed():
            break
        time.sleep(_PAUSE)
    return {
        **seen,
        **{name: dict(counted) for name, counted in waits.items()},
        "replayed_before": first["replayed"],
        "received_before": first["received"],
        "looks": looks,
        "watched": round(time.monotonic() - began, 1),
    }
