# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Settings of PostgreSQL for a machine."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tuning
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Settings that follow from a machine and from what it is used for
description:
  - A quarter of the memory for shared buffers, three quarters as what the planner expects to be cached, memory for
    sorts that all connections can have at once, WAL by workload and disk, autovacuum that keeps up, parallel workers
    by cores.
  - It starts from rules of thumb. Combine your own settings over it where you know better.
positional: _input
options:
  _input:
    description:
      - The machine, with C(memory_bytes), C(cores), and where known C(disk_bytes), C(wal_disk_bytes) where the WAL has
        a disk of its own, and C(rotational), as in C(pg_node.machine).
    type: dict
    required: true
  workload:
    description:
      - V(oltp) for many short transactions, V(analytics) for few long queries, V(insert_heavy) for events that pile
        up, V(mixed) for the rest.
    type: str
    choices: [oltp, analytics, mixed, insert_heavy]
    default: mixed
  max_connections:
    description:
      - How many connections there may be; the memory for sorts is divided by it.
    type: int
    default: 100
  version:
    description:
      - Major version of PostgreSQL.
    type: int
    default: 15
  disk:
    description:
      - Kind of disk that the data are on. By default V(hdd) where the machine says C(rotational), else V(ssd).
    type: str
    choices: [hdd, ssd, nvme]
  most_cores:
    description:
      - Cores of the largest member of the cluster, so that all get the same number of worker processes; a standby may
        not have fewer than its primary.
    type: int
"""

EXAMPLES = r"""
- name: Tune, with one setting of our own
  runbook.postgres.pg_settings:
    version: 15
    settings: >-
      {{ pg_node.machine | runbook.postgres.tuning(workload='oltp', max_connections=200, version=15)
         | combine({'random_page_cost': '1.5'}) }}
"""

RETURN = r"""
_value:
  description:
    - Names and values, as M(runbook.postgres.pg_settings) takes them.
  type: dict
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._instance.tuning import MIXED, read_machine, tuned


def tuning(
    machine: Mapping[str, Any],
    workload: str = MIXED,
    max_connections: int = 100,
    version: int = 15,
    disk: str | None = None,
    most_cores: int | None = None,
) -> dict[str, Any]:
    try:
        cores = None if most_cores is None else int(most_cores)
        return tuned(read_machine(machine, disk or None), workload, int(max_connections), int(version), cores)
    except Refused as refusal:
        raise AnsibleFilterError(refusal.sentence) from refusal
    except (AttributeError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"tuning was given something else than a machine and numbers ({type(error).__name__}: {error}): pass "
            "pg_node.machine of pg_node_facts."
        ) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"tuning": tuning}
