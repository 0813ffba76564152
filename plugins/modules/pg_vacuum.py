# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tables that were vacuumed and analyzed not long ago."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_vacuum
short_description: Have tables vacuumed and analyzed, those that need it, the gravest first
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that every table was vacuumed and analyzed within O(max_age), by autovacuum, by hand or by this module.
    Those that were not, and to which something happened since, have it done now, one after the other. A run that
    finds nothing due changes nothing.
  - Tables whose oldest rows are old enough that the server would soon read all of them to freeze them come first, so
    that this happens at a time that you choose. After them come those with the most rows to clean up.
  - Partitioned tables are analyzed as a whole too, which autovacuum never does.
  - Nobody is kept waiting. A lock that is not had within half a second is given up, before autovacuum would be made
    to give way, and the table is left for the next run. No lock is taken that reads or writes wait for, unless
    O(truncate) asks for it.
  - What is done is done. A run that is killed, or that O(max_seconds) ends, is gone on with by the next.
extends_documentation_fragment:
  - runbook.postgres.connection
options:
  databases:
    description:
      - Which databases to look after. All that take connections, without templates, unless given.
    type: list
    elements: str
    default: []
  tables:
    description:
      - Only these tables of O(login_db), each with its schema where that is not in the search path, in quotes where
        SQL needs them. The partitions of a partitioned one are meant with it.
    type: list
    elements: str
    default: []
  max_age:
    description:
      - How long ago it may have been, such as V(6 days). With V(0) it is done now for every table.
      - A table to which nothing happened since the last time is left alone, however long ago that was.
    type: str
    default: 6 days
  analyze:
    description:
      - Whether the planner's statistics are looked after as well.
    type: bool
    default: true
  truncate:
    description:
      - Whether empty pages at the end of a table are given back to the system. It takes a lock, briefly, that reads
        wait for, and on standbys it ends queries that are in its way.
    type: bool
    default: false
  cost_delay:
    description:
      - Milliseconds to rest whenever the cost limit is reached, as C(vacuum_cost_delay). Autovacuum's own is V(2).
        Left out, the server's setting counts, which usually is no rest at all.
    type: float
  max_seconds:
    description:
      - After so many seconds no further table is begun; the next run goes on. That is no failure, see RV(finished).
    type: float
attributes:
  check_mode:
    description: Says what would be vacuumed and analyzed; the session is read-only.
    support: full
  diff_mode:
    description: Shows each table that is due with the time since it was done last.
    support: full
notes:
  - Tables of other roles are left alone and named in a warning. Use the owner of the database, a superuser, or from
    PostgreSQL 17 on a member of C(pg_maintain).
  - This is beside autovacuum and not in place of it. See M(runbook.postgres.pg_table_settings) for a table that
    needs more than it gets.
  - The server counts what happened to tables since its statistics began; after a crash they begin anew and every
    table is due once.
seealso:
  - module: runbook.postgres.pg_table_settings
  - module: runbook.postgres.pg_health_facts
"""

EXAMPLES = r"""
- name: Every table once a week, at night, for three hours at most, as gently as autovacuum
  runbook.postgres.pg_vacuum:
    max_age: 6 days
    max_seconds: 10800
    cost_delay: 2
  become: true
  become_user: postgres

- name: Two large tables now, after a load
  runbook.postgres.pg_vacuum:
    login_db: agents
    tables: [events, audit_log]
    max_age: 0
  become: true
  become_user: postgres
"""

RETURN = r"""
tables:
  description:
    - What was done, in this order, or in check mode would be.
  returned: always
  type: list
  elements: dict
  contains:
    database:
      description:
        - The table's database.
      type: str
      returned: always
      sample: agents
    table:
      description:
        - The table with its schema.
      type: str
      returned: always
      sample: public.events
    vacuumed:
      description:
        - Whether it was vacuumed.
      type: bool
      returned: always
    analyzed:
      description:
        - Whether it was analyzed. Partitions of a table that is analyzed as a whole are with it.
      type: bool
      returned: always
    seconds:
      description:
        - How long it took; null in check mode.
      type: float
      returned: always
left:
  description:
    - What was due and was not done, each with C(database), C(table) and C(reason).
  returned: always
  type: list
  elements: dict
finished:
  description:
    - Whether nothing is due any more of what this role may vacuum.
  returned: always
  type: bool
"""

from ansible_collections.runbook.postgres.plugins.module_utils._connection import CONNECTION_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._tables import refuse_standby
from ansible_collections.runbook.postgres.plugins.module_utils._vacuum import catalog
from ansible_collections.runbook.postgres.plugins.module_utils._vacuum.plan import plan
from ansible_collections.runbook.postgres.plugins.module_utils._vacuum.request import VACUUM_OPTIONS, wish
from ansible_collections.runbook.postgres.plugins.module_utils._vacuum.run import Run, result

OPTIONS = {**CONNECTION_OPTIONS, **VACUUM_OPTIONS}


def main() -> None:
    with Module(OPTIONS) as module:
        wanted = wish(module.params)
        with module.session() as session:
            refuse_standby(session)
            major, max_age = session.major, catalog.seconds(session, wanted.max_age)
            names = [] if wanted.tables else catalog.databases(session, wanted.databases)
            found = catalog.tables(session, module.params["login_db"], wanted.tables) if wanted.tables else []
        for name in names:
            with module.session(database=name) as session:
                found += catalog.tables(session, name, ())
        planned = plan(found, max_age, analyze=wanted.analyze, major=major)
        run = Run(lambda name: module.session(database=name), wanted)
        try:
            if not module.check_mode:
                run.carry_out(planned)
        finally:
            # Also of a run whose connection broke.
            module.report(**result(planned, run, check_mode=module.check_mode))
        if run.failures:
            raise Problem(f"Not all tables could be vacuumed: {'; '.join(run.failures)}.")


if __name__ == "__main__":
    main()
