# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Processes that are to go and still have clients: until those have gone the pooler keeps them, as up to date as any.

One process alone and several cannot share the port, so that another number may have to wait as a whole. Where the
pools lead does not wait with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.host import Host
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.layout import Process, processes


def leaving(host: Host, asked: int, restart: str) -> tuple[Process, ...]:
    """Those that run, are not asked for, and may not be stopped yet."""
    if restart == "always":
        return ()
    return tuple(
        process
        for process, running in host.running.items()
        if process not in processes(asked) and (running.clients or restart == "never")
    )


def number_for_now(asked: int, kept: Sequence[Process]) -> int:
    """How many processes there are while `kept` are among them."""
    if not kept:
        return asked
    # One of several is not the one that is alone.
    return 1 if Process() in kept else max(2, *(process.number for process in kept))
