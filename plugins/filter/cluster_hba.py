# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The rules and maps that follow from who belongs to a cluster, as a filter for roles."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_hba
short_description: Derive a cluster's own rules and maps from its inventory
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - Returns RV(_value) with the rules and maps for M(runbook.postgres.pg_hba) by which the members and poolers of a
    cluster log in. A host's address is its C(postgres_address), else its C(ansible_host), else its name.
options:
  _input:
    description:
      - C(members) and C(poolers) by their inventory names; C(replication_role), C(replication_credentials),
        C(pooler_role) and C(pooler_users); the user's own C(first_rules), C(rules) and C(maps).
    type: dict
    required: true
  hostvars:
    description:
      - Ansible's C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what lets the standbys in
  ansible.builtin.debug:
    msg: "{{ (cluster | runbook.postgres.cluster_hba(hostvars)).rules }}"
"""

RETURN = r"""
_value:
  description:
    - C(rules) and C(maps).
  type: dict
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._hba.cluster import cluster_rules


def cluster_hba(cluster: Mapping[str, Any], hostvars: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return cluster_rules(cluster, hostvars)
    except Problem as error:
        raise AnsibleFilterError(error.sentence) from error


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cluster_hba": cluster_hba}
