# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Storage parameters of tables."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_table_settings
short_description: Autovacuum and other storage parameters of tables
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States storage parameters of tables, those of autovacuum above all. Parameters that are not named stay.
  - A partitioned table holds no rows; its partitions get the parameters. One that is made later gets them with the
    next run.
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
        type: str
        required: true
      settings:
        description:
          - The parameters by name, as in C(CREATE TABLE), those of the TOAST table with C(toast.) in front. A value
            of null takes a parameter back to the server's own.
        type: dict
        required: true
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
      - Says which parameters would change. Whether the server knows them is asked in a transaction that is undone.
    support: full
  diff_mode:
    description: Shows the parameters of each table that changes, before and after.
    support: full
"""

EXAMPLES = r"""
- name: Vacuum a table that only grows by the rows it gets, not by those that die
  runbook.postgres.pg_table_settings:
    login_db: disasters
    tables:
      - table: events
        settings:
          autovacuum_vacuum_insert_scale_factor: 0.02
          autovacuum_analyze_scale_factor: 0.02
          autovacuum_freeze_max_age: 100000000
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
    altered:
      description:
        - The table, or those of its partitions, whose parameters differed.
      type: list
      elements: str
      returned: always
      sample: [public.events]
"""

from ansible_collections.runbook.postgres.plugins.module_utils._connection import CONNECTION_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._patience import Patience
from ansible_collections.runbook.postgres.plugins.module_utils._storage.settings import (
    SETTINGS_OPTIONS,
    wanted_settings,
)
from ansible_collections.runbook.postgres.plugins.module_utils._storage.tables import apply, prepare, result

OPTIONS = {**CONNECTION_OPTIONS, **SETTINGS_OPTIONS}


def main() -> None:
    with Module(OPTIONS) as module:
        wanted = wanted_settings(module.params)
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
