# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Keep a server from taking part in a cluster, with proof."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_fence
short_description: Keep a server from taking part in its cluster, with proof
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that a PostgreSQL server is fenced, by one method and as seen from one host, or that it no longer is. Before
    another server is promoted the old primary has to be fenced, or both take writes.
  - With O(method=stop), on the server's own host, the instance is stopped, its unit is masked, and C(start.conf) says
    C(disabled), so that neither a boot nor systemd nor Debian's tools start it. It is stopped fast; what has not ended
    after O(timeout) is stopped at once, and killed in the end. It is refused where Patroni or another program runs that
    would start the instance by itself.
  - With O(method=block), on each other host of the cluster and on its poolers, a table of its own in the kernel's
    packet filter, C(inet runbook_fence), drops every packet to and from the server's addresses. It is there again after
    a boot, by a unit C(runbook-fence.service), and no table of others is touched.
  - With O(method=command) a program of yours takes the power or asks a cloud, and another one proves it.
  - A run ends well only if what it did was read back and found to be as it has to be. RV(ignore:evidence) says what was
    found; P(runbook.postgres.fencing_proof#filter) tells whether the evidence of several hosts is enough.
options:
  state:
    description:
      - V(released) takes back what V(fenced) did and nothing else. It never starts a server.
    type: str
    choices: [fenced, released]
    default: fenced
  method:
    description:
      - How it is fenced.
    type: str
    choices: [stop, block, command]
    required: true
  host:
    description:
      - Name of the server that is fenced, as the inventory has it. It goes into the evidence and nowhere else.
    type: str
    required: true
  version:
    description:
      - Major version of the instance. Required with O(method=stop).
    type: int
  instance:
    description:
      - Name of the instance, as Debian's tools have it. Its data directory and port are asked of PostgreSQL.
    type: str
    default: main
  addresses:
    description:
      - All addresses of the server, IPv4 and IPv6; of a name all that it stands for. Required with O(method=block) and
        O(state=fenced).
      - What is in the table for another server stays there. Released without any are all.
    type: list
    elements: str
    default: []
  port:
    description:
      - Port of the server that is tried with O(method=block); neither a connection nor a refusal may come back.
    type: int
    default: 5432
  command:
    description:
      - Program and arguments that bring the state about. No shell reads them. It is not run where O(proof) succeeds
        already. Required with O(method=command).
    type: list
    elements: str
    default: []
  proof:
    description:
      - Program and arguments that exit with 0 if, and only if, the state is reached. It is run in check mode as well
        and must only look. After O(command) it is asked again until it succeeds or O(timeout) has passed. Required
        with O(method=command).
    type: list
    elements: str
    default: []
  environment:
    description:
      - Variables for O(command) and O(proof), the place for secrets. Their values are taken out of everything that is
        told.
    type: dict
    default: {}
  hide_output:
    description:
      - Whether nothing that O(command) and O(proof) print is told, also when they fail.
    type: bool
    default: false
  timeout:
    description:
      - Seconds after which a fast stop is followed by one at once, or a program is given up.
    type: int
    default: 60
attributes:
  check_mode:
    description: Says what would be done. The evidence tells what is found before it.
    support: full
  diff_mode:
    description: Shows whether the instance runs and may start, or the addresses that are dropped, before and after.
    support: full
notes:
  - Run it as root, with C(become=true), except with O(method=command), which has the rights of the task.
  - O(method=block) needs package C(nftables), and cuts off everything, so also SSH from these hosts to the server.
    Clients that connect to the server without a pooler are not held up by it.
  - C(psycopg2) is not needed.
"""

EXAMPLES = r"""
- name: The old primary does not run and does not come back by itself
  runbook.postgres.pg_fence:
    method: stop
    host: db1
    version: 15
  become: true

- name: Nobody here talks to the old primary
  runbook.postgres.pg_fence:
    method: block
    host: db1
    addresses: [192.0.2.11, "2001:db8::11"]
  become: true

- name: The old primary has no power
  runbook.postgres.pg_fence:
    method: command
    host: db1
    command: [/usr/local/sbin/power, "off", db1]
    proof: [/usr/local/sbin/power, is-off, db1]
    environment:
      POWER_TOKEN: "{{ vault_power_token }}"
  delegate_to: localhost
"""

RETURN = r"""
evidence:
  description:
    - What was read back, in check mode what was found. C(proven) is the answer and C(missing) has a sentence for each
      thing that is not as it has to be; C(host), C(method) and C(state) are as asked for; C(foreseen) is true in check
      mode, where a real run would do the rest.
    - With O(method=stop) C(running) (processes), C(attached) (processes that share its memory), C(listening) (those of
      its ports on which anything listens), C(start), C(masked) and C(data_directory).
    - With O(method=block) C(addresses) as asked for, C(blocked), all that the kernel drops, and C(tried), what answered
      at the port of each, null where nothing did.
    - With O(method=command) C(proof_code), the exit code of the proof.
  returned: unless it was refused
  type: dict
seconds:
  description:
    - How long it took.
  returned: unless it was refused
  type: float
steps:
  description:
    - Each step, taken or, in check mode, foreseen.
  returned: unless it was refused
  type: list
  elements: str
"""

from ansible_collections.runbook.postgres.plugins.module_utils._fencing.fence import carry_out
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module

OPTIONS = {
    "state": {"type": "str", "choices": ["fenced", "released"], "default": "fenced"},
    "method": {"type": "str", "choices": ["stop", "block", "command"], "required": True},
    "host": {"type": "str", "required": True},
    "version": {"type": "int"},
    "instance": {"type": "str", "default": "main"},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "port": {"type": "int", "default": 5432},
    "command": {"type": "list", "elements": "str", "default": []},
    "proof": {"type": "list", "elements": "str", "default": []},
    "environment": {"type": "dict", "default": {}, "no_log": True},
    "hide_output": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 60},
}
NEEDS = [("method", "stop", ["version"]), ("method", "command", ["command", "proof"])]


def main() -> None:
    with Module(OPTIONS, driver=False, required_if=NEEDS) as module:
        carry_out(module)


if __name__ == "__main__":
    main()
