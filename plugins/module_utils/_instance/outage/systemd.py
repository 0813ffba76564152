# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The unit of an instance: what systemd knows of it, and how it is begun without being waited for."""

from __future__ import annotations

import contextlib

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.found import Unit

_SECONDS = 30.0
_ASKED = "LoadState,ActiveState,Result,NRestarts,ExecMainCode,ExecMainStatus"
# What waitid() calls one that was killed, with a core or without.
_BY_SIGNAL = ("2", "3")


def show(unit: str) -> Unit:
    try:
        return parsed(unit, run(["systemctl", "show", f"--property={_ASKED}", unit], _SECONDS))
    except ProgramFailed as error:
        raise Problem(
            f"systemd does not tell about {unit} ({error.words or error}): see 'systemctl status'."
        ) from error


def parsed(unit: str, printed: str) -> Unit:
    told = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
    status = told.get("ExecMainStatus", "0")
    restarts = told.get("NRestarts", "0")
    return Unit(
        unit,
        masked=told.get("LoadState") == "masked",
        active=told.get("ActiveState", "inactive"),
        result=told.get("Result", "success"),
        restarts=int(restarts) if restarts.isdigit() else 0,
        main_signal=int(status) if told.get("ExecMainCode") in _BY_SIGNAL and status.isdigit() else None,
    )


def begin(unit: str) -> None:
    """Debian's unit blocks while a start takes, which with a recovery may be hours: that is watched instead."""
    # One that failed often is not started any more until that is forgotten; of one that is not loaded nothing is known.
    with contextlib.suppress(ProgramFailed):
        run(["systemctl", "reset-failed", unit], _SECONDS)
    try:
        run(["systemctl", "start", "--no-block", unit], _SECONDS)
    except ProgramFailed as error:
        raise Problem(
            f"systemctl start {unit} failed: {error.words or error}; mend that and run this again."
        ) from error
