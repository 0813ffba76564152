# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Take part in the moment of a failover."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_failover_part
short_description: Promote a standby and lead poolers to it, all hosts at once
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - One task of a playbook runs on all hosts at a time. So this takes the part of each in the moment of a failover, and
    clients wait no longer than the promotion takes. Where a host has no part to take, its claim alone is renewed.
  - With O(promote) the standby of this host is made primary, as M(runbook.postgres.pg_promote) does it.
  - With O(pools) the clients of this host's PgBouncer wait, as M(runbook.postgres.pgbouncer_pools) has it, until the
    server at O(pools.new) takes writes; then their pools lead to it and they go on.
  - With O(follow) another standby follows the new primary at once. By itself it asks all members in turn, and waits for
    one that is gone, as do commits that wait for a standby.
  - It decides nothing. That the old primary is fenced, and who is the right one to take over, the caller has to know.
  - That a pooler did not come to its end does not fail the module, and is told in RV(pooled). Its clients then wait
    until they are let go on by M(runbook.postgres.pgbouncer_pools).
options:
  claim:
    description:
      - The O(runbook.postgres.pg_failover_claim#module:token) of the run. It is refused where the host is not claimed
        by it, or will not be for ten seconds more, and nothing is done.
    type: str
    required: true
  by:
    description:
      - Who runs it from where, for those who are refused meanwhile.
    type: str
    default: somebody
  claim_seconds:
    description:
      - For how long the claim is believed from now on.
    type: int
    default: 60
  promote:
    description:
      - Given for the host whose standby takes over.
    type: dict
    suboptions:
      version:
        description: As of M(runbook.postgres.pg_promote).
        type: int
        required: true
      instance:
        description: As of M(runbook.postgres.pg_promote).
        type: str
        default: main
      system_identifier:
        description: As of M(runbook.postgres.pg_promote).
        type: str
      timeline:
        description: As of M(runbook.postgres.pg_promote).
        type: int
      primary_lsn:
        description: As of M(runbook.postgres.pg_promote).
        type: str
      slots:
        description: As of M(runbook.postgres.pg_promote).
        type: list
        elements: str
        default: []
      max_lag_bytes:
        description: As of M(runbook.postgres.pg_promote).
        type: int
        default: 16777216
      fenced:
        description: As of M(runbook.postgres.pg_promote).
        type: bool
        default: false
      allow_data_loss:
        description: As of M(runbook.postgres.pg_promote).
        type: bool
        default: false
      force:
        description: As of M(runbook.postgres.pg_promote).
        type: bool
        default: false
      timeout:
        description: As of M(runbook.postgres.pg_promote).
        type: int
        default: 120
  pools:
    description:
      - Given for a host whose pools are led to the standby that takes over.
    type: dict
    suboptions:
      members:
        description:
          - Addresses of all of the cluster's servers. Clients of the pools that lead to one of them wait.
        type: list
        elements: str
        required: true
      old:
        description:
          - Addresses of the servers that were the primary. Pools that lead to one of them are led elsewhere, and the
            others stay as they are.
        type: list
        elements: str
        required: true
      new:
        description:
          - Address of the standby that takes over.
        type: str
        required: true
      port:
        description:
          - Port of the servers.
        type: int
        default: 5432
      auth_user:
        description:
          - The role as which PgBouncer looks up passwords, as which it is asked whether the new one takes writes.
        type: str
        default: pgbouncer
      pause_limit:
        description:
          - Seconds that transactions under way have to end. At a server that is gone they never do.
        type: int
        default: 1
      wait_limit:
        description:
          - Seconds in which the new one has to take writes.
        type: int
        default: 10
  follow:
    description:
      - Given for a host whose standby is to follow the new primary. Whoever is in O(follow.gone) is left out of its
        C(primary_conninfo) until it follows, and then is the last there, in C(postgresql.auto.conf) until role
        replication writes that to its own file.
    type: dict
    suboptions:
      version:
        description:
          - Major version of the instance.
        type: int
        required: true
      instance:
        description:
          - Name of the instance.
        type: str
        default: main
      gone:
        description:
          - Addresses of the servers that were the primary.
        type: list
        elements: str
        required: true
      wait_limit:
        description:
          - Seconds in which it has to stream.
        type: int
        default: 10
attributes:
  check_mode:
    description: Says what would be done, and refuses as the run would.
    support: full
  diff_mode:
    description: Shows what the server is and will be, and the pooler's files.
    support: full
  platform:
    description: Debian's layout of instances and poolers is what it knows.
    support: full
    platforms: debian
notes:
  - Run it as root, with C(become=true). O(pools) needs psycopg2, and a file of PgBouncer that role pgbouncer wrote.
seealso:
  - module: runbook.postgres.pg_failover_claim
  - module: runbook.postgres.pg_promote
  - module: runbook.postgres.pgbouncer_pools
"""

EXAMPLES = r"""
- name: Promote
  runbook.postgres.pg_failover_part:
    claim: 5d1c0a9e44b2
    promote: "{{ {'version': 15, 'fenced': true} if inventory_hostname == 'db2' else omit }}"
    pools: "{{ way if inventory_hostname == 'pool1' else omit }}"
  become: true
  vars:
    way: {members: [192.0.2.11, 192.0.2.12], old: [192.0.2.11], new: 192.0.2.12}
"""

RETURN = r"""
held:
  description: Whether the host was this run's when it came to it.
  type: bool
  returned: always
promoted:
  description: What M(runbook.postgres.pg_promote) returns, without what is told beside it. Null without O(promote).
  type: dict
  returned: always
pooled:
  description:
    - C(led) says whether the pools lead to the new one and clients go on, C(pools) which ones, C(problem) why not, else
      null. C(durations) has milliseconds, C(pause_ms), C(wait_ms) from then on until the new one took writes, and
      C(lead_ms) until clients went on. Null without O(pools).
  type: dict
  returned: always
followed:
  description:
    - C(follows) says whether it streams from another than the old primary, C(asks) in which order it asks for the
      primary from now on, null where that stays as it was, C(problem) why it could not be led there, else null.
      C(durations) has C(follow_ms). Null without O(follow), and in check mode.
  type: dict
  returned: always
steps:
  description: What was done, or would be in check mode.
  type: list
  elements: str
  returned: always
"""

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._failover.part import Part
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._promote.request import OPTIONS as OF_PROMOTE

_UNASKED = ("claim", "resume_replay", "allow_apply_delay")

OPTIONS: dict[str, dict[str, Any]] = {
    "claim": {"type": "str", "required": True},
    "by": {"type": "str", "default": "somebody"},
    "claim_seconds": {"type": "int", "default": 60},
    "promote": {"type": "dict", "options": {name: how for name, how in OF_PROMOTE.items() if name not in _UNASKED}},
    "pools": {
        "type": "dict",
        "options": {
            "members": {"type": "list", "elements": "str", "required": True},
            "old": {"type": "list", "elements": "str", "required": True},
            "new": {"type": "str", "required": True},
            "port": {"type": "int", "default": 5432},
            "auth_user": {"type": "str", "default": "pgbouncer"},
            "pause_limit": {"type": "int", "default": 1},
            "wait_limit": {"type": "int", "default": 10},
        },
    },
    "follow": {
        "type": "dict",
        "options": {
            "version": {"type": "int", "required": True},
            "instance": {"type": "str", "default": "main"},
            "gone": {"type": "list", "elements": "str", "required": True},
            "wait_limit": {"type": "int", "default": 10},
        },
    },
}


def main() -> None:
    # Where PgBouncer is not, nor need its driver be.
    with Module(OPTIONS, driver=False) as module:
        part = Part(module.params["claim"])
        try:
            part.take(module.params, check_mode=module.check_mode)
        finally:
            module.report(**part.result(check_mode=module.check_mode))


if __name__ == "__main__":
    main()
