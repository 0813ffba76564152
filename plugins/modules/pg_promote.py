# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""State that one server is primary."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_promote
short_description: Make a standby the primary, once nothing speaks against it
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that the server of a Debian instance is primary. One that is stays as it is.
  - A standby is promoted when all that can be asked on its host speaks for it, and otherwise refused before anything is
    changed, each reason with a code of its own.
  - Afterwards it is out of recovery, on a timeline that began where it left its primary's, and a test write was
    committed; if not, the module fails.
  - One server is all it knows. That no other one takes writes, and that no other standby has more, is for the caller to
    know. It leaves siblings, poolers and the old primary as they are.
options:
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
  system_identifier:
    description:
      - System identifier that the cluster has. Another one is refused.
    type: str
  timeline:
    description:
      - Timeline that the standby is on. Another one is refused, since it missed a promotion or went another way.
    type: int
  primary_lsn:
    description:
      - Where the old primary ended, as C(pg_controldata) says there, or up to where nothing may be missing.
      - Left out, nobody knows what would be lost, and O(allow_data_loss) is needed.
    type: str
  slots:
    description:
      - Replication slots of the members that are to follow, the old primary's among them. Those that the server does
        not have yet must find room.
      - Right before the promotion those that keep no WAL are made to keep it from the standby's last restartpoint on.
        The checkpoint that comes with a promotion else removes what a member needs that comes back later, by
        C(pg_rewind) or as it is. C(max_slot_wal_keep_size) bounds it; where that bounds nothing, nothing is kept and
        that is a warning. That it cannot be kept is a warning as well and stops no promotion.
    type: list
    elements: str
    default: []
  max_lag_bytes:
    description:
      - How much WAL of its primary it may lack, and how much it may have to replay before it takes writes.
      - It holds with O(allow_data_loss) as well.
    type: int
    default: 16777216
  fenced:
    description:
      - The old primary is stopped and will not start by itself, or is cut off from clients and standbys.
      - Without it a standby that streams is not promoted, because there would be two primaries.
    type: bool
    default: false
  claim:
    description:
      - The O(runbook.postgres.pg_failover_claim#module:token) of the run that decided this. It is refused where the
        host is claimed by another run.
    type: str
  resume_replay:
    description:
      - Let replay go on where it is paused, and wait until all that was received is replayed.
    type: bool
    default: false
  allow_apply_delay:
    description:
      - Promote a standby that replays with a delay, which ends with it.
    type: bool
    default: false
  allow_data_loss:
    description:
      - Accept that up to O(max_lag_bytes) of what the old primary wrote are lost, or an unknown number. O(force) does
        not imply it.
    type: bool
    default: false
  force:
    description:
      - Go on with little room for WAL, or with too few slots or senders. It accepts nothing else.
    type: bool
    default: false
  timeout:
    description:
      - Seconds after which replay and promotion are given up, and longest wait for another run on this instance.
    type: int
    default: 120
attributes:
  check_mode:
    description: Says whether it would be promoted, and refuses as the run would.
    support: full
  diff_mode:
    description: What the server is and will be.
    support: full
  platform:
    description: Debian's layout of instances is what it knows.
    support: full
    platforms: debian
notes:
  - Run it as root, with C(become=true); the server is asked over its unix socket as the system user postgres, and
    C(psycopg2) is not needed.
  - A run that is killed is finished by the next. A promotion that has begun ends by itself, and what is left is to see
    that it did.
  - The test write is a message in the WAL and leaves no object. It does not wait for synchronous standbys.
seealso:
  - module: runbook.postgres.pg_standby
  - module: runbook.postgres.pg_failover_claim
  - plugin: runbook.postgres.switchover_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: The old primary stopped cleanly, and nothing may be missing
  runbook.postgres.pg_promote:
    version: 15
    system_identifier: "7301234567890123456"
    timeline: 1
    primary_lsn: 0/5000028
    fenced: true
    slots: [db1, db3]
  become: true

- name: The old primary is gone for good, and what it wrote last with it
  runbook.postgres.pg_promote:
    version: 15
    fenced: true
    allow_data_loss: true
  become: true
"""

RETURN = r"""
timeline_before:
  description: Timeline that the server was on.
  type: int
  returned: always
timeline:
  description: Timeline that it is on. In check mode the next that is free as far as the host knows.
  type: int
  returned: always
received_lsn:
  description: End of what it had received by streaming, null where nothing was.
  type: str
  returned: always
replayed_lsn:
  description: End of what it had replayed.
  type: str
  returned: always
promoted_lsn:
  description: Where its timeline began. Null in check mode, and on the first timeline.
  type: str
  returned: always
to_replay_bytes:
  description: What it had yet to replay.
  type: int
  returned: always
loss_bytes:
  description: What the old primary wrote and it never got, null where that is not known.
  type: int
  returned: always
keeps_wal_for:
  description: Those of O(slots) that keep WAL since right before the promotion, or would in check mode.
  type: list
  elements: str
  returned: always
steps:
  description: What was done, or would be in check mode.
  type: list
  elements: str
  returned: always
refusals:
  description:
    - What spoke against it, each with C(sentence) and C(code), which is one of V(system_identifier_differs),
      V(timeline_differs), V(promoter_runs) (Patroni, repmgrd, Pacemaker or another), V(upstream_alive),
      V(settings_too_low), V(replay_paused), V(apply_delay), V(replay_behind), V(lag_over_limit), V(loss_unknown),
      V(data_loss), V(no_room), V(no_free_slots) or V(no_free_senders).
  type: list
  elements: dict
  returned: always
durations:
  description:
    - Milliseconds, C(resumed_ms) until it had replayed all, C(kept_ms) until slots kept WAL, C(promoted_ms) until it
      was out of recovery, C(first_write_ms) for the test write, and C(total_ms).
  type: dict
  returned: always
"""

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._promote.request import OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._promote.run import become_primary


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        result: dict[str, Any] = {}
        try:
            become_primary(module.params, result, check_mode=module.check_mode)
        finally:
            module.report(**result)


if __name__ == "__main__":
    main()
