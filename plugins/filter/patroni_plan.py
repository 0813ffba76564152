# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who is handed to Patroni or taken back from it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: patroni_plan
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Decide who is handed to Patroni, or taken back, in which order
description:
  - Makes the decision of the playbook C(runbook.postgres.patroni) from what was seen of all members. Nothing is
    asked or changed.
positional: _input, nodes
options:
  _input:
    description:
      - What P(runbook.postgres.topology#filter) returned.
    type: dict
    required: true
  nodes:
    description:
      - What M(runbook.postgres.pg_node_facts) returned of each member, null for one that was not reached.
    type: dict
    required: true
  infos:
    description:
      - What M(runbook.postgres.pg_patroni_info) returned of each member that was reached.
    type: dict
    required: true
  state:
    description:
      - V(managed) or V(absent).
    type: str
    default: managed
  scope:
    description:
      - Name of the cluster.
    type: str
    required: true
  etcd:
    description:
      - Hosts of etcd.
    type: list
    elements: str
    default: []
  etcd_reached:
    description:
      - Those of them that were reached.
    type: list
    elements: str
    default: []
  few_etcd:
    description:
      - Accept fewer than three of them.
    type: bool
    default: false
  max_lag_bytes:
    description:
      - How far behind the primary a standby may be.
    type: int
    default: 16777216
"""

EXAMPLES = r"""
- name: Decide
  ansible.builtin.set_fact:
    plan: >-
      {{ postgres_topology
         | runbook.postgres.patroni_plan(nodes, infos=infos, scope='orders', etcd=['e1', 'e2', 'e3']) }}
"""

RETURN = r"""
_value:
  description:
    - C(members) are those for whom something is to be done, in order, and C(primary) is who takes writes.
    - C(begun) is whether Patroni runs on a member, C(paused) whether somebody else has paused it.
    - C(refusals) are sentences; where there is one, nothing is to be done.
  type: dict
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.runbook.postgres.plugins.module_utils._patroni.plan import Member, Wish, decide


def patroni_plan(
    topology: Mapping[str, Any],
    nodes: Mapping[str, Any],
    infos: Mapping[str, Any],
    scope: str,
    state: str = "managed",
    etcd: Sequence[str] = (),
    etcd_reached: Sequence[str] = (),
    few_etcd: Any = False,
    max_lag_bytes: Any = Wish.max_lag_bytes,
) -> dict[str, Any]:
    try:
        # The command line gives texts, and its false would count as true.
        few = bool(boolean(few_etcd, strict=False))
        wish = Wish(state, scope, tuple(etcd), tuple(etcd_reached), few, int(max_lag_bytes))
        members = [
            Member(name, nodes.get(name), infos.get(name), seen["task"], seen["upstream"])
            for name, seen in topology["nodes"].items()
        ]
        return asdict(decide(members, topology["primary"], wish, topology["refusals"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"patroni_plan was given something else than a topology ({type(error).__name__}: {error}): pass what "
            "topology, pg_node_facts and pg_patroni_info return."
        ) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"patroni_plan": patroni_plan}
