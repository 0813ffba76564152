# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The module's options as a wish, and what it tells of a promotion that is planned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._promote.checks import Wish
from ansible_collections.runbook.postgres.plugins.module_utils._promote.observe import Seen
from ansible_collections.runbook.postgres.plugins.module_utils._promote.plan import Promotion
from ansible_collections.runbook.postgres.plugins.module_utils._slots.keeping import Keep

OPTIONS: dict[str, dict[str, Any]] = {
    "version": {"type": "int", "required": True},
    "instance": {"type": "str", "default": "main"},
    "system_identifier": {"type": "str"},
    "timeline": {"type": "int"},
    "primary_lsn": {"type": "str"},
    "slots": {"type": "list", "elements": "str", "default": []},
    "max_lag_bytes": {"type": "int", "default": 16777216},
    "fenced": {"type": "bool", "default": False},
    "claim": {"type": "str"},
    "resume_replay": {"type": "bool", "default": False},
    "allow_apply_delay": {"type": "bool", "default": False},
    "allow_data_loss": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 120},
}

_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")


def wish(options: Mapping[str, Any]) -> Wish:
    lsn = options["primary_lsn"]
    if lsn is not None and not _LSN.fullmatch(lsn):
        raise Refused(
            f"primary_lsn is {lsn!r}, which is no position in WAL: give one as PostgreSQL writes it, 0/5000060."
        )
    # An option is called as what it fills.
    return Wish(**{name: options[name] for name in Wish.__dataclass_fields__})


def foreseen(seen: Seen, decided: Promotion) -> dict[str, Any]:
    """The result before anything is done, which is check mode's as well."""
    server = seen.server
    return {
        "changed": decided.plan.changed,
        "diff": decided.plan.diff(f"instance {seen.title}"),
        "warnings": list(decided.plan.warnings),
        "keeps_wal_for": [name for each in decided.plan.changes if isinstance(each, Keep) for name in each.slots],
        "steps": [change.sentence for change in decided.plan.changes],
        "refusals": [vars(each) for each in decided.refusals],
        "timeline_before": server.timeline,
        "timeline": decided.timeline,
        "received_lsn": server.received,
        "replayed_lsn": server.replayed,
        "promoted_lsn": None,
        "to_replay_bytes": server.to_replay,
        "loss_bytes": decided.loss,
        "durations": {},
    }
