# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Row-level security of tables, as a list of policies."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_policies
short_description: Row-level security of tables, stated as lists of policies
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States which policies tables have, and whether row-level security is on. What is missing is made, what differs is
    replaced.
  - Expressions are compared as the server prints them, so that C(tenant = current_user) written in another way is
    no change. To learn how it prints them, an empty temporary copy of the table is made in a transaction that is
    always undone, in check mode too; the table itself is not locked for it.
  - Every table is looked at before the first one is changed. All changes of a table are one transaction, in which its
    policies are in place before they count.
extends_documentation_fragment:
  - runbook.postgres.connection
options:
  tables:
    description:
      - The tables, in the database O(login_db).
    type: list
    elements: dict
    required: true
    suboptions:
      table:
        description:
          - Name of the table, with its schema where that is not in the search path. Quotes are needed where SQL
            needs them.
          - Of a partitioned table name the table itself; the policies of a partition count only for who names the
            partition.
        type: str
        required: true
      policies:
        description:
          - The policies of the table. Their names are taken as they are, without quotes.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description:
              - The policy's name.
            type: str
            required: true
          command:
            description:
              - What the policy is for.
            type: str
            choices: [all, select, insert, update, delete]
            default: all
          roles:
            description:
              - The roles it is for, V(PUBLIC) for everybody. Names are taken as they are.
            type: list
            elements: str
            default: [PUBLIC]
          using:
            description:
              - The condition under which a row that is there is seen.
            type: str
          check:
            description:
              - The condition under which a row may be written. Without it O(tables[].policies[].using) is what the
                server asks.
            type: str
          permissive:
            description:
              - One of the permissive policies has to allow a row, and all of the others.
            type: bool
            default: true
      enabled:
        description:
          - Whether row-level security is on. While it is off, policies say nothing.
        type: bool
        default: true
      force:
        description:
          - Whether policies count for the table's owner as well. They never do for superusers.
        type: bool
        default: false
      exclusive:
        description:
          - Whether policies that are not listed are removed. Otherwise they stay, with a warning.
        type: bool
        default: false
  lock_timeout:
    description:
      - Seconds after which a lock that is not had is given up, so that nobody queues behind it for longer.
    type: float
    default: 2
  retries:
    description:
      - How often a table whose lock was not had is tried again, after pauses that grow to ten seconds.
    type: int
    default: 8
attributes:
  check_mode:
    description:
      - Says what would be made, replaced and dropped. The session is read-only but for the copies, which are undone.
    support: full
  diff_mode:
    description: Shows all policies of each table that changes, before and after.
    support: full
"""

EXAMPLES = r"""
- name: Each tenant sees its own rows
  runbook.postgres.pg_policies:
    login_db: memory
    tables:
      - table: events
        force: true
        exclusive: true
        policies:
          - name: own_rows
            roles: [app]
            using: tenant_id = current_setting('app.tenant')::uuid
          - name: auditors_read
            command: select
            roles: [auditor]
            using: "true"
  become: true
  become_user: postgres
"""

RETURN = r"""
tables:
  description:
    - What was done to each table, or in check mode would be.
  returned: always
  type: list
  elements: dict
  contains:
    table:
      description:
        - The table with its schema.
      type: str
      returned: always
      sample: public.events
    created:
      description:
        - Names of the policies that are new.
      type: list
      elements: str
      returned: always
      sample: [own_rows]
    replaced:
      description:
        - Names of the policies that were there and differed.
      type: list
      elements: str
      returned: always
    dropped:
      description:
        - Names of the policies that were removed.
      type: list
      elements: str
      returned: always
    warnings:
      description:
        - What is odd about the table's policies.
      type: list
      elements: str
      returned: always
"""

from ansible_collections.runbook.postgres.plugins.module_utils._connection import CONNECTION_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._patience import Patience
from ansible_collections.runbook.postgres.plugins.module_utils._policies.apply import apply, prepare, result
from ansible_collections.runbook.postgres.plugins.module_utils._policies.request import POLICY_OPTIONS, wishes

OPTIONS = {**CONNECTION_OPTIONS, **POLICY_OPTIONS}


def main() -> None:
    with Module(OPTIONS) as module:
        wanted = wishes(module.params)
        patience = Patience(module.params["lock_timeout"], module.params["retries"])
        with module.session({"lock_timeout": patience.milliseconds}) as session:
            jobs = prepare(session, wanted)
            module.report(**result(jobs, check_mode=module.check_mode))
            if not module.check_mode:
                try:
                    apply(session, jobs, patience)
                finally:
                    module.report(**result(jobs, check_mode=False))


if __name__ == "__main__":
    main()
