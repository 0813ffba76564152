# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How far a physical backup is, also one that is not of our making, of which pgBackRest itself tells as much as it can.

Newer versions (2.55) tell the bytes, some before them (2.45) the share, old ones (2.33) only that something runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import PHYSICAL, written
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.plan import Wish
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.program import PgBackRest
from ansible_collections.runbook.postgres.plugins.module_utils._progress import (
    Progress,
    figures,
    of_host,
    told_on_host,
)

BACKUP = "backup"
_SHARE = re.compile(r"running - (\d+(?:\.\d+)?)% complete")


def told(wish: Wish, kind: str) -> Progress:
    """By a run of ours. pgBackRest says what the backup is called when it is through."""
    about = _about(wish.stanza) | {"kind": kind, "repository": wish.repository}
    return of_host(f"backup-{wish.stanza}-{wish.repository}", **about)


def _about(stanza: str) -> dict[str, Any]:
    return {"id": None, "work": BACKUP, "method": PHYSICAL, "kind": None, "stanza": stanza}


def running(pgbackrest: PgBackRest, lock: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All that is under way on this host about the stanza; `lock` is what pgBackRest says of its lock."""
    ours = told_on_host(pgbackrest.stanza)
    if not lock.get("held") or any(each.get("work") == BACKUP for each in ours):
        return ours
    return [*ours, _of_others(pgbackrest, lock)]


def _of_others(pgbackrest: PgBackRest, lock: Mapping[str, Any]) -> dict[str, Any]:
    """Since when it runs nobody tells, and so there is no rate."""
    told = figures(lock.get("size-cplt"), lock.get("size"), 0.0)
    if "size" not in lock:
        found = _SHARE.search(pgbackrest.run("info"))
        told["percent"] = round(min(99.9, float(found[1])), 1) if found else None
    return {
        **_about(pgbackrest.stanza),
        # An expiry or a stanza command has the same lock, and no share.
        "phase": BACKUP if told["percent"] is not None else None,
        **told,
        "bytes_per_second": None,
        "seconds": None,
        "updated": written(datetime.now(timezone.utc)),
        "process": None,
    }
