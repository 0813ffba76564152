#!/usr/bin/python
# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbouncer_lookup
short_description: Let PgBouncer look up whom it lets in
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that a role exists which PgBouncer logs in as, and that databases have the function it calls there.
  - The role has no password, it is to log in by certificate. It may connect to these databases, also where C(PUBLIC)
    may not, call the function and nothing else.
  - The function answers with the SCRAM secret of one role. It never does for superusers, for roles that replicate,
    for those that cannot log in, and after the end of a password's validity. It belongs to a superuser, runs with a
    fixed C(search_path), and nobody but the role may call it.
  - It is made by the system's user postgres over the unix socket; no password and no driver is needed.
options:
  databases:
    description:
      - The databases that get the function.
    type: list
    elements: str
    required: true
  role:
    description:
      - The role that PgBouncer logs in as.
    type: str
    default: pgbouncer
  port:
    description:
      - Port of the primary on this host.
    type: int
    default: 5432
attributes:
  check_mode:
    description: Says what would be made; a server or database that is not there counts as one to be made before.
    support: full
  diff_mode:
    description: Shows the role and the databases, before and after.
    support: full
requirements:
  - root, to be the system's user postgres, or to be that user
seealso:
  - module: runbook.postgres.pgbouncer_config
"""

EXAMPLES = r"""
- name: PgBouncer may look up who logs in to the shop
  runbook.postgres.pgbouncer_lookup:
    databases: [shop]
  become: true
"""

RETURN = r"""
steps:
  description:
    - What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: [make the lookup in shop]
"""

from ansible_collections.runbook.postgres.plugins.module_utils._debian import Socket
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.lookup import apply, observe, plan_lookup

OPTIONS = {
    "databases": {"type": "list", "elements": "str", "required": True},
    "role": {"type": "str", "default": "pgbouncer"},
    "port": {"type": "int", "default": 5432},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        role, databases = module.params["role"], list(dict.fromkeys(module.params["databases"]))
        socket = Socket(module.params["port"], read_only=module.check_mode)
        plan = plan_lookup(observe(socket, role, databases, check_mode=module.check_mode), role)
        if plan.refusals:
            raise Refused(" ".join(plan.refusals))
        module.report(
            changed=plan.changed, diff=plan.diff("PgBouncer's lookup"), steps=[step.sentence for step in plan.changes]
        )
        if not module.check_mode:
            apply(plan, Socket(module.params["port"]))


if __name__ == "__main__":
    main()
