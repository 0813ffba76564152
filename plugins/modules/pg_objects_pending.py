# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which of the planned roles, databases and privileges are not as wanted yet."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_objects_pending
short_description: Which planned roles, databases and privileges are not as wanted yet
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - Used by the role P(runbook.postgres.provision#role). Compares a plan of P(runbook.postgres.objects_plan#filter)
    with the server, in one session for each database, so that only what differs needs a call of its own.
  - An item whose state cannot be told exactly counts as pending. So does everything for a login that is no
    superuser, and where psycopg2 is not installed yet.
  - Passwords are compared with what the server stores on the managed host. They are not sent to the server, and
    neither they nor what is stored is returned.
extends_documentation_fragment:
  - runbook.postgres.connection
options:
  plan:
    description:
      - What P(runbook.postgres.objects_plan#filter) returned.
    type: dict
    required: true
  passwords:
    description:
      - The passwords that roles are to have, by the names of the roles.
    type: dict
    default: {}
  exact_memberships:
    description:
      - Whether a membership that is not planned is a difference.
    type: bool
    default: false
attributes:
  check_mode:
    description: Never changes anything.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Compare what is there with what is to be there
  runbook.postgres.pg_objects_pending:
    login_unix_socket: /var/run/postgresql
    plan: "{{ {'roles': [{'name': 'app'}]} | runbook.postgres.objects_plan(version=15) }}"
  become: true
  become_user: postgres
  register: found
"""

RETURN = r"""
pending:
  description:
    - Of each list of the plan, whether its items are pending, in their order.
  returned: always
  type: dict
  sample:
    roles: [true, false]
unchangeable:
  description:
    - Databases that have another encoding or locale than planned, with what they have.
  returned: always
  type: list
  elements: dict
  sample:
    - name: orders
      encoding: UTF8
      lc_collate: C.UTF-8
      lc_ctype: C.UTF-8
"""

from ansible_collections.runbook.postgres.plugins.module_utils._connection import CONNECTION_OPTIONS, libpq_parameters
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._objects.pending import everything, pending
from ansible_collections.runbook.postgres.plugins.module_utils._session import DRIVER_MISSING, Session

OPTIONS = {
    **CONNECTION_OPTIONS,
    "plan": {"type": "dict", "required": True},
    "passwords": {"type": "dict", "default": {}, "no_log": True},
    "exact_memberships": {"type": "bool", "default": False},
}

# Of the server, which reads nothing but its catalogs here.
READ_ONLY = {"default_transaction_read_only": "on"}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        options = module.params
        if DRIVER_MISSING is not None:
            module.report(pending=everything(options["plan"]), unchangeable=[])
            return

        def opened(database: str) -> Session:
            parameters = libpq_parameters({**options, "login_db": database})
            return Session(parameters, Deadline(10.0), READ_ONLY, statement_seconds=300.0)

        module.report(**pending(options["plan"], options["passwords"], options["exact_memberships"], opened))


if __name__ == "__main__":
    main()
