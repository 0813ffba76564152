#!/usr/bin/python
# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ask from a host which servers answer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_reach_info
short_description: Ask from a host which PostgreSQL servers answer
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - That a controller cannot reach a server says nothing of those who can. This asks from another host, as a witness for
    P(runbook.postgres.failover_plan#filter).
  - A server answers when it says whether it does TLS. Nobody logs in, and one that is starting or has no connection
    left answers as well. One that hangs does not, although its host takes the connection.
  - Nothing is changed, and no rights are needed.
options:
  servers:
    description:
      - The servers that are asked, all at once, by name the address of each.
    type: dict
    required: true
  port:
    description:
      - Port of all of them.
    type: int
    default: 5432
  timeout:
    description:
      - Seconds to wait for the connection, and as long for the answer.
    type: float
    default: 3
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return what it would return outside of it.
  diff_mode:
    support: none
    description: Nothing is changed, so there is nothing to show.
"""

EXAMPLES = r"""
- name: See whether the pooler reaches the primary
  runbook.postgres.pg_reach_info:
    servers: {db1: 192.0.2.11}
"""

RETURN = r"""
answers:
  description: By the name of the server, whether it answered.
  type: dict
  returned: success
  sample: {db1: false}
"""

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._reach import Server, looked

OPTIONS: dict[str, dict[str, Any]] = {
    "servers": {"type": "dict", "required": True},
    "port": {"type": "int", "default": 5432},
    "timeout": {"type": "float", "default": 3},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        port, seconds = module.params["port"], module.params["timeout"]
        servers = [Server(name, str(address), port) for name, address in module.params["servers"].items()]
        module.report(answers=looked(servers, seconds))


if __name__ == "__main__":
    main()
