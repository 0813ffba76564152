# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether what is recovered on a host takes production's place, and archives."""

from __future__ import annotations

DOCUMENTATION = r"""
name: production_place
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Whether what is recovered on a host takes production's place, and archives
description:
  - Two servers that archive as one cluster spoil its archive for both. What is recovered on a host that is none of the
    cluster's, or while another one of them serves, archives nothing; where one of them cannot be asked nobody knows.
  - For option C(archives) of M(runbook.postgres.pg_recover).
positional: _input, members, here, option
options:
  _input:
    description:
      - The variables of all hosts, C(hostvars). In C(preflight_seen) they have what M(runbook.postgres.pg_node_facts)
        told of a host.
    type: dict
    required: true
  members:
    description:
      - The cluster's servers by their inventory names.
    type: list
    elements: str
    required: true
  here:
    description:
      - The host on which the cluster is recovered.
    type: str
    required: true
  option:
    description:
      - The variable by which somebody says whether it archives.
    type: str
    required: true
  said:
    description:
      - What that variable says; empty where it is not set, and then the others are asked.
    type: raw
    default: ''
"""

EXAMPLES = r"""
- name: See whether it archives
  ansible.builtin.debug:
    msg: "{{ hostvars | runbook.postgres.production_place(postgres_hosts, inventory_hostname, 'pitr_archives') }}"
"""

RETURN = r"""
_value:
  description:
    - C(archives), and C(why), part of a sentence; as C(refusal) a sentence where nobody can say, else null.
  type: dict
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.runbook.postgres.plugins.module_utils._recovery.production import verdict


def production_place(
    hostvars: Mapping[str, Mapping[str, Any]], members: Sequence[str], here: str, option: str, said: Any = ""
) -> dict[str, Any]:
    try:
        seen = {host: _instance(hostvars, host) for host in members}
        return asdict(verdict(here, members, seen, option, None if said in ("", None) else boolean(said)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"production_place was given something else than hosts ({type(error).__name__}: {error}): "
            f"pass hostvars, a list of inventory names, one of them, and true or false in {option}."
        ) from error


def _instance(hostvars: Mapping[str, Mapping[str, Any]], host: str) -> Mapping[str, Any] | None:
    told = hostvars[host].get("preflight_seen") if host in hostvars else None
    found: Mapping[str, Any] | None = ((told or {}).get("ansible_facts") or {}).get("pg_node", {}).get("instance")
    return found


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"production_place": production_place}
