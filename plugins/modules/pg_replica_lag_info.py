# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ask a server how far it is with the WAL of its cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_replica_lag_info
short_description: Ask a server how far it is with the WAL of its cluster
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - A primary tells how far it is and what it sent. A standby is compared with that, and looked at until it has it or
    for O(settle) seconds, so that it can be told what it waits for.
  - What it means is for P(runbook.postgres.replica_lag#filter) to say; the playbook C(runbook.postgres.replica_lag)
    uses both.
  - Nothing is changed. It needs the rights of root on the managed host, or of its user C(postgres), and no password.
options:
  port:
    description:
      - Port of the server.
    type: int
    default: 5432
  primary_lsn:
    description:
      - How far the primary is, as this module returned it there. A standby needs it.
    type: str
  settle:
    description:
      - Seconds for which a standby that is behind is looked at.
    type: float
    default: 5
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return what it would return outside of it.
  diff_mode:
    support: none
    description: Nothing is changed, so there is nothing to show.
"""

EXAMPLES = r"""
- name: See how far the primary is
  runbook.postgres.pg_replica_lag_info:
  register: there

- name: See what a standby is at
  runbook.postgres.pg_replica_lag_info:
    primary_lsn: "{{ there.seen.current }}"
"""

RETURN = r"""
seen:
  description:
    - C(role), V(primary) or V(standby).
    - Of a primary C(current), C(oldest_wal), C(sent) by the name of the standby, and C(lost), names of slots.
    - Of a standby C(caught_up), C(replayed), C(received), C(age) of its last transaction in seconds, C(paused),
      C(delay), C(patience), C(streams), C(replay_waits) and C(receiver_waits), what was waited for how often,
      C(longest), its oldest transaction, C(looks) and C(watched), the seconds that it was looked at.
  type: dict
  returned: always
"""

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._debian import Socket
from ansible_collections.runbook.postgres.plugins.module_utils._lag.observe import look
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module

OPTIONS: dict[str, dict[str, Any]] = {
    "port": {"type": "int", "default": 5432},
    "primary_lsn": {"type": "str"},
    "settle": {"type": "float", "default": 5},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        socket = Socket(module.params["port"], read_only=True)
        module.report(seen=look(socket, module.params["primary_lsn"], module.params["settle"]))


if __name__ == "__main__":
    main()
