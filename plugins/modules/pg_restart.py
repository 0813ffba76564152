# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Restart a server that has settings waiting for it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_restart
short_description: Have no setting wait for a restart
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - Restarts the server of a Debian instance if a setting waits for that, and only then.
  - Before it stops, PostgreSQL reads the configuration it is to start with, and a checkpoint is made. Afterwards the
    module waits until connections are taken, until a standby streams again, and until the standbys that streamed from
    the server, each by its slot, do so again.
  - A server from which a base backup runs is not restarted, since the backup would be lost.
  - One server is all it knows. The playbook C(runbook.postgres.restart) knows the order.
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
  role:
    description:
      - What the server was when its restart was decided on. One that is something else by now, because it was promoted
        meanwhile, is not restarted.
    type: str
    choices: [primary, standby]
  timeout:
    description:
      - Seconds after which waiting for the server or its standbys is given up.
    type: int
    default: 300
attributes:
  check_mode:
    support: full
    description: Says whether the server would be restarted, and for what.
  diff_mode:
    support: full
    description: The settings that wait, as they run and as they will.
  platform:
    support: full
    platforms: debian
    description: Debian's layout of instances is what it knows.
"""

EXAMPLES = r"""
- name: Take what is pending into effect
  runbook.postgres.pg_restart:
    version: 15
"""

RETURN = r"""
waiting:
  description: The settings that waited, each with C(running) and C(wanted), which is null for a default.
  type: dict
  returned: always
role:
  description: Whether the server is a V(primary) or a V(standby).
  type: str
  returned: always
backups:
  description: Where the base backups go that run from the server. With any it is refused to restart it.
  type: list
  elements: str
  returned: always
called:
  description: Under which name a standby streams from its upstream, null of a primary.
  type: str
  returned: always
required:
  description: How many standbys have to confirm a commit on this primary, 0 on a standby.
  type: int
  returned: always
confirming:
  description: Names of the standbys that stream and could confirm one now.
  type: list
  elements: str
  returned: always
"""

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._instance.restarting import (
    ask,
    refuse_another_role,
    refuse_during_a_backup,
    restart,
    running_instance,
)
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module

OPTIONS: dict[str, dict[str, Any]] = {
    "version": {"type": "int", "required": True},
    "instance": {"type": "str", "default": "main"},
    "role": {"type": "str", "choices": ["primary", "standby"]},
    "timeout": {"type": "int", "default": 300},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        instance = running_instance(module.params["version"], module.params["instance"])
        server = ask(instance)
        refuse_another_role(instance.title, server, module.params["role"])
        found = {
            "role": server.role,
            "waiting": server.waiting,
            "backups": list(server.backups),
            "called": server.called,
            "required": server.required,
            "confirming": server.confirming,
        }
        module.report(**found)
        refuse_during_a_backup(instance.title, server)
        module.report(**found, changed=bool(server.waiting), diff=diff(server.waiting))
        if server.waiting and not module.check_mode:
            restart(instance, server, float(module.params["timeout"]))


def diff(waiting: dict[str, dict[str, Any]]) -> dict[str, str]:
    running = "".join(f"{name} = {waiting[name]['running']}\n" for name in sorted(waiting))
    wanted = "".join(f"{name} = {waiting[name]['wanted'] or '(default)'}\n" for name in sorted(waiting))
    return {"before_header": "running", "after_header": "running", "before": running, "after": wanted}


if __name__ == "__main__":
    main()
