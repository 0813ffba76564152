# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Carries a plan out, step by step; killed anywhere, the next run finds what is left and begins there."""

from __future__ import annotations

import os
import shutil
import time
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _registration
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._clone_mark import MARK
from ansible_collections.runbook.postgres.plugins.module_utils._command import run
from ansible_collections.runbook.postgres.plugins.module_utils._debian import unit
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._standby import clone, local
from ansible_collections.runbook.postgres.plugins.module_utils._standby.clone import Copying
from ansible_collections.runbook.postgres.plugins.module_utils._standby.place import existing
from ansible_collections.runbook.postgres.plugins.module_utils._standby.plan import (
    Clone,
    MoveAside,
    Register,
    RemoveLeftovers,
    Stop,
    Wanted,
)
from ansible_collections.runbook.postgres.plugins.module_utils._standby.upstream import Upstream

_STOP_SECONDS = 300.0


def stop(wanted: Wanted, port: int) -> None:
    """The unit knows nothing of a server that somebody started without it."""
    run(["systemctl", "stop", unit(wanted.version, wanted.instance)], _STOP_SECONDS)
    if local.server_of(port, wanted.place.data) is not None:
        raise Refused(
            f"{unit(wanted.version, wanted.instance)} was stopped and a server goes on running on "
            f"{wanted.place.data}, which was not touched: stop it with pg_ctl and run this again."
        )


class Apply:
    """Knows how each step is taken, and what came of it."""

    def __init__(self, wanted: Wanted, copying: Copying, port: int, upstream: Upstream | None) -> None:
        self._wanted = wanted
        self._copying = copying
        self._port = port
        self._upstream = upstream
        # Steps that were taken, for a run that fails on its way.
        self.done: list[Any] = []
        self.result: dict[str, Any] = {"bytes": 0, "seconds": 0.0, "old_data": None}

    def carry_out(self, plan: Plan) -> None:
        for change in plan.changes:
            if isinstance(change, RemoveLeftovers):
                self._remove_leftovers()
            elif isinstance(change, Stop):
                stop(self._wanted, self._port)
            elif isinstance(change, MoveAside):
                clone.move_aside(self._wanted.place, self._wanted.stamp)
                self.result["old_data"] = change.to
            elif isinstance(change, Clone):
                self._clone()
            elif isinstance(change, Register):
                self._register()
            self.done.append(change)

    def _remove_leftovers(self) -> None:
        clone.remove(self._wanted.place)
        prepared = self._wanted.place.registration
        if (prepared / MARK).exists():
            shutil.rmtree(prepared)

    def _clone(self) -> None:
        begun = time.monotonic()
        self.result["bytes"] = clone.clone(self._copying, self._wanted.place, self._free)
        self.result["seconds"] = round(time.monotonic() - begun, 1)

    def _free(self) -> int:
        found = os.statvfs(existing(self._wanted.place.data))
        return found.f_bavail * found.f_frsize

    def _register(self) -> None:
        wanted = self._wanted
        if self._upstream is None:
            raise Refused(
                f"Instance {wanted.title} is not registered for Debian's tools, and the upstream, whose settings it "
                "would get, did not answer: run this again when it does."
            )
        _registration.register(
            wanted.version,
            wanted.instance,
            self._port,
            wanted.place.data,
            wanted.place.registration,
            self._upstream.settings,
        )
