#!/usr/bin/python
# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Have Patroni keep settings for a whole cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_patroni_settings
short_description: Have Patroni keep these settings for its whole cluster
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - What Patroni keeps in etcd for all members is as it is said here. What is not named stays as it is.
  - Any member can be asked; all of them take it up by themselves within seconds. Of settings of PostgreSQL that take a
    restart Patroni then says that one is pending, and restarts nothing.
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
  settings:
    description:
      - Names and values as in Patroni's dynamic configuration. A value of null takes the name out, and C(pause=true)
        has Patroni leave the cluster alone.
    type: dict
    required: true
attributes:
  check_mode:
    support: full
    description: Asks Patroni, and changes nothing.
  diff_mode:
    support: full
    description: Shows the settings before and after.
"""

EXAMPLES = r"""
- name: Have Patroni leave the servers alone during maintenance
  runbook.postgres.pg_patroni_settings:
    address: 192.0.2.11
    settings: {pause: true}
  become: true
"""

RETURN = r"""
settings:
  description: All of them, as they are then.
  type: dict
  returned: success
"""

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._patroni.settings import (
    apply,
    merged,
    observe,
    plan_settings,
)
from ansible_collections.runbook.postgres.plugins.module_utils._patroni_api import PORT, Api, Keys

OPTIONS: dict[str, dict[str, Any]] = {
    "address": {"type": "str", "required": True},
    "api_port": {"type": "int", "default": PORT},
    "tls_directory": {"type": "path", "default": "/etc/ssl/postgres"},
    "settings": {"type": "dict", "required": True},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        params = module.params
        api = Api(params["address"], Keys.of_node(params["tls_directory"]), params["api_port"])
        found = observe(api)
        plan = plan_settings(found, params["settings"])
        diff = {"diff": plan.diff(f"settings that Patroni keeps at {api.place}")} if plan.changed else {}
        module.report(changed=plan.changed, settings=merged(found, params["settings"]), **diff)
        if plan.changed and not module.check_mode:
            apply(api, params["settings"])


if __name__ == "__main__":
    main()
