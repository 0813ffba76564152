#!/usr/bin/python
# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tell what Patroni does on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_patroni_info
short_description: Tell whether Patroni keeps the server of a host, and how its cluster is
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - Asks Patroni on the host over its REST interface, and looks whether the server on the host is one that Patroni
    started. Where there is no Patroni that is the answer, and no failure.
  - Nothing is changed. Run it as root, who may read the key.
options:
  address:
    description:
      - Where Patroni's REST interface is, one that its certificate names.
    type: str
    required: true
  api_port:
    description:
      - Port of it.
    type: int
    default: 8008
  tls_directory:
    description:
      - Where C(ca.crt), C(node.crt) and C(node.key) of this host are, as role P(runbook.postgres.tls#role) keeps them.
    type: path
    default: /etc/ssl/postgres
  data_directory:
    description:
      - Where the data of the server is.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return what it would return outside of it.
  diff_mode:
    support: none
    description: Nothing is changed, so there is nothing to show.
"""

EXAMPLES = r"""
- name: See whether the cluster is looked after by itself
  runbook.postgres.pg_patroni_info:
    address: 192.0.2.11
    data_directory: /var/lib/postgresql/15/main
  become: true
"""

RETURN = r"""
configured:
  description: Whether Patroni has a configuration on the host.
  type: bool
  returned: success
runs_server:
  description: Whether the server that runs on the data was started by Patroni.
  type: bool
  returned: success
problem:
  description: Why Patroni did not answer, null where it did or is not configured.
  type: str
  returned: success
patroni:
  description:
    - What it said, null where it did not answer. C(scope) is its name for the cluster, C(role), C(state), C(timeline)
      and C(pending_restart) are this member's, C(paused) is whether it leaves the cluster alone, C(leader) and
      C(members) are whom it knows of, each with its C(tags), C(settings) those that it keeps for all of them.
    - C(scheduled_switchover) is one that it is to do at a time that somebody has said, or null.
    - C(etcd_age_seconds) is how long ago it last heard from etcd.
  type: dict
  returned: success
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._patroni.host import CONFIGURATION, runs_server
from ansible_collections.runbook.postgres.plugins.module_utils._patroni_api import PORT, Api, Keys, told

OPTIONS: dict[str, dict[str, Any]] = {
    "address": {"type": "str", "required": True},
    "api_port": {"type": "int", "default": PORT},
    "tls_directory": {"type": "path", "default": "/etc/ssl/postgres"},
    "data_directory": {"type": "path", "required": True},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        params = module.params
        found: dict[str, Any] = {
            "configured": CONFIGURATION.exists(),
            "runs_server": runs_server(Path(params["data_directory"])),
            "problem": None,
            "patroni": None,
        }
        if found["configured"]:
            try:
                keys = Keys.of_node(params["tls_directory"])
                found["patroni"] = asdict(told(Api(params["address"], keys, params["api_port"])))
            except Problem as problem:
                found["problem"] = problem.sentence
        module.report(**found)


if __name__ == "__main__":
    main()
