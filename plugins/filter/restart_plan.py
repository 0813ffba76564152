# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who is restarted, in which order."""

from __future__ import annotations

DOCUMENTATION = r"""
name: restart_plan
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: The order in which members of clusters restart
description:
  - Members without a pending restart are left alone. Standbys go first and the primary last, and only where it may;
    where a setting is lowered of which no standby may have less than its primary, the primary goes first.
  - What would leave a standby with less than its primary is held back, with the reason.
  - While a base backup runs from a member that is to restart nothing restarts, since it would be lost.
positional: _input
options:
  _input:
    description:
      - Of each host, by its name, C(cluster), C(seen) (what M(runbook.postgres.pg_restart) returned in check mode, or
        null) and C(instance) (C(pg_node.instance)).
    type: dict
    required: true
  allow_primary:
    description:
      - Whether primaries may be restarted.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: See the order
  ansible.builtin.debug:
    msg: "{{ members | runbook.postgres.restart_plan(allow_primary=true) }}"
"""

RETURN = r"""
_value:
  description:
    - C(order), names of hosts, C(held), sentences about those that wait on, and C(refusals), sentences about
      clusters in which nothing restarts.
  type: dict
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.runbook.postgres.plugins.module_utils._instance.restart import KIN, Member, Waiting, plan


def member(name: str, told: Mapping[str, Any]) -> Member:
    seen, instance = told.get("seen"), told.get("instance") or {}
    known = instance.get("settings") or {}
    settings = {each: int(known[each]) for each in KIN if str(known.get(each, "")).isdigit()}
    if not seen or "waiting" not in seen:
        return Member(name, instance.get("role") == "primary", None, settings)
    waiting = {each: Waiting(values["running"], values["wanted"]) for each, values in seen["waiting"].items()}
    return Member(
        name,
        seen["role"] == "primary",
        waiting,
        settings,
        backups=seen.get("backups") or (),
        called=seen.get("called"),
        required=seen.get("required", 0),
        confirming=tuple(seen.get("confirming") or ()),
    )


def restart_plan(hosts: Mapping[str, Any], allow_primary: Any = False) -> dict[str, list[str]]:
    try:
        clusters: dict[str, list[Member]] = {}
        for name, told in hosts.items():
            clusters.setdefault(str(told.get("cluster")), []).append(member(name, told))
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(
            f"restart_plan was given something else than hosts ({type(error).__name__}: {error}): pass what pg_restart "
            "returned of each."
        ) from error
    # The command line says -e restart_primary=false, which is a text and would count as true.
    allowed = bool(boolean(allow_primary, strict=False))
    plans = [plan(members, allow_primary=allowed) for members in clusters.values()]
    return {
        "order": [name for each in plans for name in each.order],
        "held": [sentence for each in plans for sentence in each.held],
        "refusals": [sentence for each in plans for sentence in each.refusals],
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, list[str]]]]:
        return {"restart_plan": restart_plan}
