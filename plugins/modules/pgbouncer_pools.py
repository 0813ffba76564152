#!/usr/bin/python
# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbouncer_pools
short_description: Hold back the clients of PgBouncer's pools, and let them go on
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that the pools of this host's PgBouncer which lead to a cluster are paused, or that they are open again.
  - Clients of a paused pool stay connected and wait, new ones as well, for as long as PgBouncer's C(query_wait_timeout)
    lets them. What takes a moment behind their backs, they do not notice.
  - Only those pools are opened again that a run of this module paused. One that somebody else paused stays as it is.
    Which were paused by it is written down in C(/run), so that the next run opens what a killed one left paused.
  - A host where PgBouncer is not installed or does not run has nobody to be held back.
options:
  state:
    description:
      - V(paused) hands out no more connections of these pools and waits for the transactions that are under way.
      - V(resumed) opens those that V(paused) had closed for one of O(lead_to).
    type: str
    required: true
    choices: [paused, resumed]
  lead_to:
    description:
      - Addresses of the cluster's servers as PgBouncer is told them. Pools that lead to one of them are meant.
    type: list
    elements: str
    required: true
  limit:
    description:
      - Seconds to wait for transactions that are under way. Those that take longer are told as a warning; the pool
        is paused all the same and nobody new gets in.
    type: int
    default: 10
  drop_stuck:
    description:
      - With V(resumed), end all connections of a pool in which transactions still go on at a server to which it leads
        no more. At one that is gone they would never end, and take up the pool's connections meanwhile.
    type: bool
    default: false
attributes:
  check_mode:
    description: Says which pools would be paused or opened.
    support: full
  diff_mode:
    description: Shows all pools, before and after.
    support: full
requirements:
  - root
  - psycopg2, for the system's Python
seealso:
  - module: runbook.postgres.pgbouncer_config
"""

EXAMPLES = r"""
- name: Nobody writes to the cluster through this pooler
  runbook.postgres.pgbouncer_pools:
    state: paused
    lead_to: [10.0.0.11, 10.0.0.12]
  become: true

- name: Those who waited go on
  runbook.postgres.pgbouncer_pools:
    state: resumed
    lead_to: [10.0.0.11, 10.0.0.12]
  become: true
"""

RETURN = r"""
pools:
  description:
    - The pools that were paused or opened, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [shop, shop_ro]
steps:
  description:
    - The same, a sentence for each process that has them.
  returned: success
  type: list
  elements: str
  sample: [pause shop, pause shop_ro]
"""

from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.holding import (
    brought_about,
    foreseen,
    result,
)

OPTIONS = {
    "state": {"type": "str", "required": True, "choices": ["paused", "resumed"]},
    "lead_to": {"type": "list", "elements": "str", "required": True},
    "limit": {"type": "int", "default": 10},
    "drop_stuck": {"type": "bool", "default": False},
}


def main() -> None:
    # Where PgBouncer is not, nor need its driver be.
    with Module(OPTIONS, driver=False) as module:
        state, addresses, drop = (module.params[name] for name in ("state", "lead_to", "drop_stuck"))
        if module.check_mode:
            module.report(**result(foreseen(state, addresses, drop_stuck=drop), ()))
        else:
            limit = float(module.params["limit"])
            module.report(**result(*brought_about(state, addresses, limit, drop_stuck=drop)))


if __name__ == "__main__":
    main()
