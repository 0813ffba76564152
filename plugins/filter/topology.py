# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who is to be what in a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
name: topology
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Decide from what its servers say who is what in a cluster
description:
  - Takes what M(runbook.postgres.pg_node_facts) found on each member and decides what each is to be. Who is primary is
    for the servers to say; the first primary of the inventory counts only where no member has data.
  - Where the servers contradict each other, or where something would be lost, it refuses with sentences that name what
    was found and what to do. A refusal about the cluster leaves no member with anything to do.
positional: _input
options:
  _input:
    description:
      - C(name) of the cluster, C(nodes) with C(pg_node) of each member by its name, or null if it could not be looked
        at, C(first_primary), C(rebuild) with names of members whose data may be replaced, C(returning) with names of
        members that may start although they are kept from starting by themselves, C(rejoining) with names of members
        that will be brought back from another way, C(addresses) by name, C(upstreams) with whom a member follows where
        that is not the primary, C(poolers) with C(pg_node) of each, C(reasons) why a host could not be looked at, and
        C(other_sources), true where PostgreSQL will come from package sources that are yet to be added.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say who is primary
  ansible.builtin.debug:
    msg: "{{ ({'name': 'orders', 'first_primary': 'db1', 'nodes': found} | runbook.postgres.topology).primary }}"
  vars:
    found: "{{ dict(postgres_hosts | zip(postgres_hosts | map('extract', hostvars, 'pg_node'))) }}"
"""

RETURN = r"""
_value:
  description:
    - C(primary) is the name of the member that is the primary, or will be; null where nobody can tell. C(bootstrap) is
      true where it has to be made first. C(system_identifier) and C(timeline) are the primary's.
    - C(nodes) has for each member its C(task) (V(bootstrap), V(primary), V(clone), V(standby), V(rebuild), V(refused)
      or V(unknown)), C(upstream), C(member) (its name in PostgreSQL), C(address), C(streams) (whether it was seen
      to stream from another), C(reads_away) (whether readers are kept from it while it is behind) and C(refusal), a
      sentence or null.
    - C(poolers) has C(refusal) for each, C(read_hosts) the members that serve reads, now or once they have joined,
      C(joining) lists of those that copy at the same time, one list after the other, C(refusals) sentences about the
      cluster.
    - C(keeper) is V(Patroni) where that runs on a member, else null.
  type: dict
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.topology import decide


def topology(cluster: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return decide(cluster)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"topology was given something else than a cluster ({type(error).__name__}: {error}): "
            "pass nodes with the pg_node facts of each member, as its documentation shows."
        ) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"topology": topology}
