# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What keepalived of a member is told of the others."""

from __future__ import annotations

DOCUMENTATION = r"""
name: virtual_ip_plan
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Tell how the members of a cluster share an address
description:
  - Tells from an inventory which addresses the members have, and why an address cannot be one that only the primary
    has. No host is asked.
positional: _input
options:
  _input:
    description:
      - The variables of all hosts, C(hostvars).
    type: dict
    required: true
  member:
    description:
      - Inventory name of the member.
    type: str
    required: true
  address:
    description:
      - The address that only the primary is to have, with its prefix.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show whom keepalived hears
  ansible.builtin.debug:
    msg: "{{ (hostvars | runbook.postgres.virtual_ip_plan('orders-db1', '192.0.2.10/24')).peers }}"
"""

RETURN = r"""
_value:
  description:
    - C(own) is the member's address, C(peers) those of the others, C(refusals) sentences about what cannot be.
  type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.inventory import address as reached_at
from ansible_collections.runbook.postgres.plugins.module_utils._virtual_ip.judge import refusals

Variables = Mapping[str, Any]


def virtual_ip_plan(hosts: Mapping[str, Variables], member: str, address: str) -> dict[str, Any]:
    try:
        known = hosts[member]
        servers = _addresses(hosts, known["postgres_hosts"])
        others = _addresses(hosts, known.get("postgres_poolers") or [])
        return {
            "own": servers[member],
            "peers": [found for name, found in servers.items() if name != member],
            "refusals": list(refusals(str(address), str(known["postgres_cluster"]), servers, others)),
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"virtual_ip_plan was given something else than a member of a cluster ({type(error).__name__}: {error}): "
            "pass hostvars, and the name of one of its postgres_hosts."
        ) from error


def _addresses(hosts: Mapping[str, Variables], names: Sequence[str]) -> dict[str, str]:
    known: dict[str, Variables] = {name: {} for name in names}
    # Not by get(): what Ansible has for a name that it does not know is no dictionary.
    known.update({name: hosts[name] for name in known if name in hosts})
    return {name: reached_at(name, variables) for name, variables in known.items()}


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"virtual_ip_plan": virtual_ip_plan}
