# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find out why a server is down, and have it serve again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_server_recover
short_description: Find out why a server is down, and have it serve again
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that the server of a Debian instance serves. One that does is left alone.
  - Of one that does not it is found out why. What starting it cures, as a crash, a kill or the lock of a process that
    is gone, is cured by that. What it does not cure is refused before anything is touched, each with a sentence that
    says what was found, where, and what to do - a full disk, a port that another program has, a configuration that the
    server does not take, data that is missing, not mounted, damaged or open to others, a unit that is masked, an
    instance that somebody keeps stopped, a server that crashes again and again, one that would be a second primary.
  - Started is by systemd. The module waits while the server recovers, and then has it prove that it serves - a primary
    by a transaction that commits, a standby by streaming.
  - A server that runs and does not answer is not restarted. Nothing is ever removed, no data, no WAL and no lock.
  - One server is all it knows. The playbook C(runbook.postgres.server_recover) knows the others of its cluster.
  - Needs the rights of root on the managed host, and no password.
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
  primary:
    description:
      - Name of the member that is the primary by now, if it is another one. An instance that would start as a primary
        is then refused.
    type: str
  despite:
    description:
      - What is known and does not keep it from being started this once.
      - V(kept_stopped) is a C(start.conf) that says C(manual), which stays as it is.
      - V(crash_loop) is a server that crashed three times within ten minutes, or that systemd gave up.
    type: list
    elements: str
    choices: [kept_stopped, crash_loop]
    default: []
  timeout:
    description:
      - Seconds after which waiting for the server is given up. It goes on by itself, and the next run waits on.
    type: int
    default: 600
attributes:
  check_mode:
    support: full
    description: Says why it is down, refuses what a run would refuse, and says whether it would be started.
  diff_mode:
    support: full
    description: What the server is and will be.
  platform:
    support: full
    platforms: debian
    description: Debian's layout of instances is what it knows.
"""

EXAMPLES = r"""
- name: Have the server serve, whatever happened to it
  runbook.postgres.pg_server_recover:
    version: 15

- name: Start a server once more that crashed three times, and wait an hour for its recovery
  runbook.postgres.pg_server_recover:
    version: 15
    despite: [crash_loop]
    timeout: 3600
"""

RETURN = r"""
state:
  description: What the server was before, V(up), V(starting), V(down) or V(silent) (it runs and does not answer).
  type: str
  returned: always
causes:
  description:
    - What was found that explains it or stands in the way, most of it of a server that is down.
  type: list
  elements: dict
  returned: always
  contains:
    code:
      description: A name that stays, as V(disk_full) or V(port_taken); the guide lists them.
      type: str
    sentence:
      description: What was found, where, and what to do.
      type: str
    refused:
      description: Whether it keeps the server from being started.
      type: bool
  sample:
    - code: stale_lock
      sentence: /var/lib/postgresql/15/main/postmaster.pid was left by a server that was killed.
      refused: false
steps:
  description: What was done, or in check mode would be.
  type: list
  elements: str
  returned: always
  sample: [start instance 15/main]
role:
  description: What it serves as, V(primary) or V(standby), or would be started as; null where that cannot be told.
  type: str
  returned: always
streaming:
  description: Whether a standby streams, null of a primary and where it was not started.
  type: bool
  returned: always
seconds:
  description: How long it took until it served.
  type: float
  returned: always
progress:
  description: The WAL files that it was seen to replay, each as C(replaying) with the C(seconds) at which.
  type: list
  elements: dict
  returned: always
"""

import contextlib
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._host_lock import alone
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.cause import DESPITE, Wish
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.diagnose import diagnose
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.observe import observe
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.recover import Outcome, bring_up
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.told import told
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module

OPTIONS: dict[str, dict[str, Any]] = {
    "version": {"type": "int", "required": True},
    "instance": {"type": "str", "default": "main"},
    "primary": {"type": "str"},
    "despite": {"type": "list", "elements": "str", "choices": list(DESPITE), "default": []},
    "timeout": {"type": "int", "default": 600},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module, contextlib.ExitStack() as held:
        version, name = module.params["version"], module.params["instance"]
        seconds = float(module.params["timeout"])
        wish = Wish(frozenset(module.params["despite"]), module.params["primary"])
        if not module.check_mode:
            held.enter_context(alone(f"{version}-{name}", seconds))
        found = observe(version, name)
        diagnosis = diagnose(found, wish)
        outcome = Outcome()
        if diagnosis.refusals:
            module.report(**told(found, diagnosis, outcome))
            raise Refused(" ".join(diagnosis.refusals))
        try:
            if diagnosis.state != "up" and not module.check_mode:
                bring_up(version, name, found, seconds, outcome)
        except Problem:
            module.report(**told(found, diagnosis, outcome))
            raise
        module.report(**told(found, diagnosis, outcome))


if __name__ == "__main__":
    main()
