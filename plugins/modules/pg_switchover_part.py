# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One host's part of the moment in which a primary hands over to a standby."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_switchover_part
short_description: Take one host's part in a switchover
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - Clients wait while a primary hands over, and they are to wait for less than a second. So every host takes its part
    by itself and all do so at once, each as an asynchronous job. They find each other through the names of their
    sessions on the two servers, and need whoever started them no more. The playbook C(runbook.postgres.switchover)
    decides, starts them and sees to what comes afterwards.
  - The pooler's part keeps clients of the pools that lead to the primary waiting (C(PAUSE)) until there is a server
    that takes writes, has the pools lead there, and lets clients go on. It lets them go on in any case, also when it is
    killed.
  - The primary's part makes a checkpoint, waits until every pooler has paused, marks its data as those of a standby,
    and stops the server.
  - The candidate's part promotes its server on proof only. What it received of the WAL ends with the checkpoint of that
    very stop, after which nothing can follow, so that nothing is lost. Without the proof it ends with its server as it
    was.
  - Where Patroni keeps the cluster, with O(api_address), the primary's part asks it to have the candidate take over
    as soon as every pooler has paused, and waits until the server is back as a standby. The candidate's part looks
    whether it was promoted. Neither stops or promotes anything then. The pooler's part is the same.
  - What ends a part before the primary stopped leaves it serving. What comes later is for O(settle), once all members
    were looked at.
options:
  part:
    description:
      - Whose part it is.
    type: str
    choices: [candidate, primary, pooler]
    required: true
  settle:
    description:
      - Finish or take back what an earlier part left that ended on its way, instead of taking one. Nothing happens
        where nothing was left. In check mode it is told whether something was.
      - V(true) is refused while a part is at work on this host.
    type: bool
    default: false
  token:
    description:
      - A name for this one switchover, the same for all of its parts; 8 to 32 hexadecimal digits. It is no secret.
    type: str
  version:
    description:
      - Major version of the instance, for a candidate or primary.
    type: int
  instance:
    description:
      - Name of the instance, as Debian's tools have it.
    type: str
    default: main
  data_directory:
    description:
      - Where the data is. Debian's place for the version and instance unless given.
    type: path
  candidate:
    description:
      - The slot that the candidate streams by; for the primary's part.
    type: str
  poolers:
    description:
      - How many poolers take part; for the primary's part.
    type: int
    default: 0
  max_lag_bytes:
    description:
      - How far behind in its replay the candidate may be; for the primary's part.
    type: int
    default: 16777216
  primary_elsewhere:
    description:
      - Whether another member is primary now, as a look at all of them showed. A primary that was stopped for a
        candidate then follows it, and else is primary again; to O(settle) the primary's part.
    type: bool
  number:
    description:
      - Which of the poolers this is, from 1 on.
    type: int
    default: 1
  primary_address:
    description:
      - Address of the primary, as the pools have it; for the pooler's part.
    type: str
  candidate_address:
    description:
      - Address of the candidate; for the pooler's part.
    type: str
  server_port:
    description:
      - Port of both servers; for the pooler's part.
    type: int
    default: 5432
  auth_user:
    description:
      - The role as which PgBouncer looks up passwords, as which the pooler's part looks at the servers.
    type: str
    default: pgbouncer
  assembly_limit:
    description:
      - Seconds in which all parts have to be there. Nobody waits meanwhile.
    type: int
    default: 60
  pause_limit:
    description:
      - Seconds that transactions have to end once no others begin. When some do not, clients go on with the primary.
    type: int
    default: 5
  stop_limit:
    description:
      - Seconds that the primary has to stop.
    type: int
    default: 10
  promote_limit:
    description:
      - Seconds that the candidate has to replay what it received and to be primary.
    type: int
    default: 10
  api_address:
    description:
      - Where Patroni's REST interface on this host is, one that its certificate names, where Patroni keeps the cluster;
        for a candidate or primary. Empty where it does not.
    type: str
  api_port:
    description:
      - Port of it.
    type: int
    default: 8008
  tls_directory:
    description:
      - Where C(ca.crt), C(node.crt) and C(node.key) of this host are, by which Patroni knows who asks it.
    type: path
    default: /etc/ssl/postgres
attributes:
  check_mode:
    description: Looks whether the part could be taken, and says what an earlier one left.
    support: full
  diff_mode:
    description: A part is a moment and no state, so there is nothing to show.
    support: none
notes:
  - Run it as root, with C(become=true), and with C(async).
requirements:
  - psycopg2 2.8.6 or later on the managed host
"""

EXAMPLES = r"""
- name: Be ready to take over
  runbook.postgres.pg_switchover_part:
    part: candidate
    token: 5d1c0a9e44b2
    version: 15
  become: true
  async: 120
  poll: 0

- name: See whether an earlier switchover was left unfinished here
  runbook.postgres.pg_switchover_part:
    part: primary
    settle: true
    version: 15
  become: true
  check_mode: true
  register: left
"""

RETURN = r"""
stopped:
  description:
    - Whether the primary was stopped, by its part or by Patroni.
  returned: for a primary
  type: bool
promoted:
  description:
    - Whether the candidate is primary now.
  returned: for a candidate
  type: bool
repointed:
  description:
    - Whether the pools lead to the candidate now.
  returned: for a pooler
  type: bool
durations:
  description:
    - What took how long, in milliseconds. Of a primary C(checkpoint_ms), C(pause_ms) until all poolers had paused, and
      C(stop_ms); of one that Patroni keeps C(switchover_ms) until Patroni answered, and C(rejoin_ms) from then until it
      streams, in place of C(stop_ms).
    - Of a candidate C(proof_ms), C(promote_ms) and C(first_write_ms) from the promotion on; the last alone where
      Patroni keeps it.
    - Of a pooler C(pause_ms), C(repoint_ms) and C(waited_ms), the longest that a client can have waited.
  returned: for a part
  type: dict
  sample: {"pause_ms": 12, "repoint_ms": 9, "waited_ms": 402}
lsn:
  description:
    - Of a primary where its last checkpoint is, of a candidate where the WAL ends that it received.
  returned: when it got so far
  type: str
timeline_before:
  description:
    - The candidate's timeline as a standby.
  returned: for a candidate
  type: int
timeline_after:
  description:
    - The timeline that it began.
  returned: for a candidate that was promoted
  type: int
unfinished:
  description:
    - What an earlier part was at when it ended, V(waiting), V(promoting), V(stopping), V(asking) or V(pausing); null
      where nothing was left.
  returned: with O(settle)
  type: str
settled:
  description:
    - What has become of it, V(unchanged) or V(promoted) of a candidate, V(follow) or V(primary) of an old primary,
      V(resumed) of a pooler; null where nothing was left.
  returned: with O(settle)
  type: str
"""

from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.parts import attempt, settle
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.request import OPTIONS

_NEEDED = [
    ("part", "candidate", ["version"]),
    ("part", "primary", ["version"]),
    ("settle", False, ["token"]),
]


def main() -> None:
    with Module(OPTIONS, driver=False, required_if=_NEEDED) as module:
        (settle if module.params["settle"] else attempt)(module)


if __name__ == "__main__":
    main()
