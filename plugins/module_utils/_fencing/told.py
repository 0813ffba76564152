# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What each host of a play returned of its share in a fence, from what is registered of them all. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._fencing.evidence import BLOCK, COMMAND, STOP

NO_COMMAND = "failover_fence_command and failover_fence_proof are not set."


def told(
    hosts: Mapping[str, Mapping[str, Any]], host: str, everyone: Sequence[str], *, commanded: bool
) -> list[dict[str, Any]]:
    return [_of(hosts[name], name, host, commanded) for name in dict.fromkeys((host, *everyone)) if name in hosts]


def _of(variables: Mapping[str, Any], name: str, host: str, commanded: bool) -> dict[str, Any]:
    seen = variables.get("preflight_seen") or {}
    stopped = variables.get("failover_stopped") or {}
    if name == host and not seen.get("ansible_facts"):
        stopped = {"msg": f"It could not be looked at ({seen.get('msg') or 'no reason given'})."}
    return {
        "on": name,
        STOP: _about(host, stopped),
        COMMAND: _command(_about(host, variables.get("failover_commanded") or {}), commanded=commanded),
        BLOCK: _about(host, variables.get("failover_blocked") or {}),
    }


def _command(result: dict[str, Any], *, commanded: bool) -> dict[str, Any]:
    """Whether there is one may differ from host to host; what it proved counts wherever that is asked."""
    return result if commanded or result.get("evidence") else {"msg": NO_COMMAND}


def _about(host: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """What is left of another server's fence tells nothing of this one."""
    evidence = result.get("evidence") or {}
    return {} if evidence.get("host", host) != host else dict(result)
