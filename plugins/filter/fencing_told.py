# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the hosts of a play found when they fenced a server."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fencing_told
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Gather what hosts found when they fenced a server
description:
  - Collects from the variables of all hosts what M(runbook.postgres.pg_fence) returned there, as role failover has it
    (C(failover_stopped), C(failover_commanded) and C(failover_blocked)), as input of
    P(runbook.postgres.fencing_proof#filter).
  - Also of a host that was not reached, whose silence is part of the answer.
positional: _input, host
options:
  _input:
    description:
      - The variables of all hosts, C(hostvars).
    type: dict
    required: true
  host:
    description:
      - Inventory name of the server that is fenced.
    type: str
    required: true
  everyone:
    description:
      - Names of the hosts that are kept apart from it.
    type: list
    elements: str
    default: []
  commanded:
    description:
      - Whether there is a command, with its proof.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: See whether the old primary is kept away
  ansible.builtin.debug:
    msg: "{{ told | runbook.postgres.fencing_proof({'host': 'db1', 'any_of': ['stop']}) }}"
  vars:
    told: "{{ hostvars | runbook.postgres.fencing_told('db1', ['db2', 'db3']) }}"
"""

RETURN = r"""
_value:
  description:
    - A dictionary per host, with C(on), its name, and by method C(stop), C(command) and C(block) what was returned.
  type: list
  elements: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.module_utils._fencing.told import told


def fencing_told(
    hostvars: Mapping[str, Mapping[str, Any]], host: str, everyone: Sequence[str] = (), commanded: Any = False
) -> list[dict[str, Any]]:
    try:
        return told(hostvars, host, everyone, commanded=commanded is True)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"fencing_told was given something else than hosts ({type(error).__name__}: {error}): "
            "pass hostvars, and inventory names."
        ) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[dict[str, Any]]]]:
        return {"fencing_told": fencing_told}
