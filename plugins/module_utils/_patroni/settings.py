# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The settings that Patroni keeps for the whole cluster: asked for, planned and sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._patroni_api import Api


def observe(api: Api) -> dict[str, Any]:
    answer = api.get("config")
    if answer.status != 200 or not isinstance(answer.content, dict):
        raise Problem(
            f"Patroni at {api.place} tells no settings of its cluster (HTTP {answer.status}): see with patronictl list "
            "whether it has a leader, and whether etcd answers."
        )
    return dict(answer.content)


def apply(api: Api, wanted: Mapping[str, Any]) -> None:
    answer = api.patch("config", wanted)
    if answer.status != 200:
        raise Problem(
            f"Patroni at {api.place} does not take the settings (HTTP {answer.status}: {answer.content}): correct "
            "them, or see whether etcd answers."
        )


def merged(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """As Patroni merges what is sent to it: dictionaries into each other, and null takes a name away."""
    result = dict(found)
    for name, value in wanted.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            before = result.get(name)
            result[name] = merged(before if isinstance(before, Mapping) else {}, value)
        else:
            result[name] = value
    return result


def plan_settings(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Plan:
    after = merged(found, wanted)
    # A text of digits and the number mean the same to it, and what was sent is kept as it was sent.
    changes = () if _alike(found, after) else (wanted,)
    return Plan(changes, before=_lines(found), after=_lines(after if changes else found))


def _lines(settings: Mapping[str, Any]) -> list[str]:
    return json.dumps(settings, indent=2, sort_keys=True).splitlines()


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_alike(value, other[name]) for name, value in one.items())
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return str(one) == str(other)
