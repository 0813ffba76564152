# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The result of a run, the same in check mode as far as nothing but the run itself can tell more."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.diagnose import Diagnosis
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.found import Found
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.recover import Outcome


def told(found: Found, diagnosis: Diagnosis, outcome: Outcome) -> dict[str, Any]:
    step = f"start instance {found.title}"
    result: dict[str, Any] = {
        "changed": diagnosis.starts,
        "state": diagnosis.state,
        "causes": [asdict(cause) for cause in diagnosis.causes],
        "steps": [step] if diagnosis.starts else [],
        **outcome.result,
        "role": outcome.role or _role(found),
    }
    if diagnosis.starts:
        header = f"instance {found.title}"
        result["diff"] = {
            "before_header": header,
            "after_header": header,
            "before": "down\n",
            "after": f"serves as {result['role']}\n",
        }
    return result


def _role(found: Found) -> str | None:
    """What it is, or would be started as."""
    if found.server is not None and found.server.answers:
        return "standby" if found.server.in_recovery else "primary"
    if found.place.version is None:
        return None
    return "standby" if found.place.standby else "primary"
