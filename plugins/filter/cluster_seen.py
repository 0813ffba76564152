# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A cluster as it was seen in this run."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_seen
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Gather what a topology is decided from
description:
  - Collects of each member of a cluster the C(pg_node) facts of this run and its address, as input of
    P(runbook.postgres.topology#filter).
positional: _input
options:
  _input:
    description:
      - The variables of all hosts, C(hostvars).
    type: dict
    required: true
  servers:
    description:
      - Inventory names of the cluster's database servers.
    type: list
    elements: str
    required: true
  poolers:
    description:
      - Inventory names of the cluster's pooler hosts.
    type: list
    elements: str
    default: []
  play:
    description:
      - The hosts of the play; of poolers, only these are looked at.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Decide who is what
  ansible.builtin.set_fact:
    decided: "{{ hostvars | runbook.postgres.cluster_seen(postgres_hosts) | runbook.postgres.topology }}"
"""

RETURN = r"""
_value:
  description:
    - C(nodes), C(poolers), C(reasons) why one was not seen, C(addresses) and C(upstreams), each by name.
  type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.seen import seen


def cluster_seen(
    hostvars: Mapping[str, Mapping[str, Any]],
    servers: Sequence[str],
    poolers: Sequence[str] = (),
    play: Sequence[str] = (),
) -> dict[str, Any]:
    try:
        return seen(hostvars, servers, poolers, play)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"cluster_seen was given something else than hosts ({type(error).__name__}: {error}): "
            "pass hostvars, and lists of inventory names."
        ) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"cluster_seen": cluster_seen}
