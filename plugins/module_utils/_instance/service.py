# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The unit of an instance: start, stop and restart it, and say why when it does not."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._instance import observe as instances


def control(verb: str, version: int, name: str, seconds: float) -> instances.Instance:
    """Do it; returns the instance as it is then. Debian's unit may call a failed start a success."""
    unit = _debian.unit(version, name)
    since = instances.log_end(version, name)
    failure: ProgramFailed | None = None
    try:
        run(["systemctl", verb, unit], max(1.0, seconds))
    except ProgramFailed as error:
        failure = error
    instance = instances.observe(version, name)
    if failure is None and (verb == "stop" or instance.server is not None):
        return instance
    reason = instances.complaints(version, name, since) or (failure.words if failure else "its log tells no reason")
    raise Problem(f"systemctl {verb} {unit} failed: {reason}; mend that and run this again.") from failure
