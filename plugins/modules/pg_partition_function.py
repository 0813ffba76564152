# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Keep, where it is wanted, a function in a database that makes one month of one table."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_partition_function
short_description: Keep a function in a database that makes one month of a partitioned table
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - For those who have a session in the database and no control node, such as an import that is about to load a month of
    long ago. Keeping partitions ahead of time is for M(runbook.postgres.pg_partition), which needs no function.
  - C(SELECT create_month('events', 2019, 3\)) makes the partition of March 2019 and returns its name, or finds it. A
    fourth argument names the time zone in which months begin, for keys of type timestamptz; it is UTC by default.
  - The partition is made beside its table and attached when it is complete, so that reads and writes go on, and takes
    over owner, grants, indexes, row-level security, replica identity and storage settings. A lock that is not had
    within two seconds is given up with an error.
  - It runs with the rights of whoever calls it, who has to be the table's owner or a member of that role.
  - A table without ranges of one column of dates or times is refused, and so are months that other partitions overlap
    or of which the default partition holds rows. A default partition of more than 64 MB is left to
    M(runbook.postgres.pg_partition).
extends_documentation_fragment:
  - runbook.postgres.connection
options:
  name:
    description:
      - What the function is called.
    type: str
    default: create_month
  schema:
    description:
      - Where it is kept.
    type: str
    default: public
  state:
    description:
      - V(present) makes it, or brings it up to date. V(absent) drops it.
      - A function of that name and with those arguments that was not made here is never touched.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Says what would be done; the session is read-only.
    support: full
  diff_mode:
    description: Shows the function as it is and as it will be.
    support: full
seealso:
  - module: runbook.postgres.pg_partition
"""

EXAMPLES = r"""
- name: Let imports make the months that they load
  runbook.postgres.pg_partition_function:
    login_db: disasters
    schema: loading
  become: true
  become_user: postgres
"""

RETURN = r"""
function:
  description:
    - The function with its schema.
  returned: always
  type: str
  sample: loading.create_month
steps:
  description:
    - What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: [create function loading.create_month]
"""

from ansible_collections.runbook.postgres.plugins.module_utils._connection import CONNECTION_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._partition.month.install import (
    Wanted,
    apply,
    plan_function,
    read,
)

OPTIONS = {
    **CONNECTION_OPTIONS,
    "name": {"type": "str", "default": "create_month"},
    "schema": {"type": "str", "default": "public"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    with Module(OPTIONS) as module:
        params = module.params
        wanted = Wanted(params["schema"], params["name"], params["state"] == "present")
        with module.session({"lock_timeout": "2s"}) as session:
            plan = plan_function(wanted, *read(session, wanted))
            if plan.refusals:
                raise Refused(" ".join(plan.refusals))
            if not module.check_mode:
                apply(session, wanted, plan)
            diff = {"diff": plan.diff(wanted.title)} if plan.changed else {}
            steps = [change.sentence for change in plan.changes]
            module.report(changed=plan.changed, function=wanted.title, steps=steps, **diff)


if __name__ == "__main__":
    main()
