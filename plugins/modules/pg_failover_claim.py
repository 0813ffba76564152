#!/usr/bin/python
# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Have one failover at a time."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_failover_claim
short_description: Have a host take part in one failover at a time
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - Two controllers that fail a cluster over at once could promote two servers. So each claims every host that it
    reaches before it decides anything, and M(runbook.postgres.pg_promote) promotes only where its O(token) holds the
    claim.
  - A claim that another run holds is refused. One that was not renewed for its O(seconds) belongs to a run whose
    controller is gone, and is taken over after it was waited for.
  - It is a file in C(/run), and goes with a reboot.
options:
  token:
    description:
      - A name for this one run, the same on all hosts. It is no secret.
    type: str
    required: true
  state:
    description:
      - V(taken) claims the host. V(renewed) says that the run goes on, and fails where the claim is another's or
        gone. V(given_up) ends it.
    type: str
    choices: [taken, renewed, given_up]
    default: taken
  by:
    description:
      - Who runs it from where, for those who are refused.
    type: str
    default: somebody
  seconds:
    description:
      - For how long the claim is believed when nothing is heard of the run, V(10) at least.
    type: int
    default: 60
attributes:
  check_mode:
    description: Says whether another run holds the claim, and takes none.
    support: full
  diff_mode:
    description: Who is at work is no state of the host, so there is nothing to show, and never a change.
    support: none
notes:
  - Run it as root, with C(become=true).
seealso:
  - module: runbook.postgres.pg_promote
"""

EXAMPLES = r"""
- name: Refuse while somebody else fails this cluster over
  runbook.postgres.pg_failover_claim:
    token: 5d1c0a9e44b2
    by: alice on control1
  become: true
"""

RETURN = r"""
held:
  description: Whether the host is claimed by this run now, or would be.
  type: bool
  returned: success, and when a claim could not be renewed
waited:
  description: Whether another run's claim had to run out, so that what was seen before may be true no more.
  type: bool
  returned: success
"""

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _claim
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module

OPTIONS: dict[str, dict[str, Any]] = {
    "token": {"type": "str", "required": True, "no_log": False},
    "state": {"type": "str", "choices": ["taken", "renewed", "given_up"], "default": "taken"},
    "by": {"type": "str", "default": "somebody"},
    "seconds": {"type": "int", "default": 60},
}

SHORTEST = 10


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        token, state = module.params["token"], module.params["state"]
        how = (token, module.params["by"], float(module.params["seconds"]))
        if module.params["seconds"] < SHORTEST:
            raise Refused(f"seconds takes {SHORTEST} or more: a shorter claim runs out between two tasks.")
        waited = False
        if module.check_mode:
            _claim.judge(token)
        elif state == "taken":
            waited = _claim.take(*how)
        elif state == "renewed":
            # Who has the say now is part of the answer; that nobody could tell is another matter.
            module.report(held=False, waited=False)
            _claim.renew(*how)
        else:
            _claim.give_up(token)
        module.report(held=state != "given_up", waited=waited)


if __name__ == "__main__":
    main()
