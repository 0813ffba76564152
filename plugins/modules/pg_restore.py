# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A database, a schema or tables are what a logical backup holds."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_restore
short_description: Make a database, a schema or tables what a logical backup holds
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that a database, some of its schemas or some of its tables are what a backup made by
    M(runbook.postgres.pg_backup) holds.
  - What is restored is made beside what is there, filled, checked, and only then takes its place. A database gets its
    name in one transaction with the one that had it; at no moment, and after no kill, is there none of that name.
    Tables and schemas change places in one transaction as well.
  - What is replaced is kept, a database under a name that tells what it was and until when, tables in a schema of such
    a name, until O(replaced) says otherwise. Nothing that is there and not empty is replaced without O(replace).
  - The backup's files are compared with its manifest before anything is made. A check that fails afterwards leaves
    everything as it was.
  - A run that was killed is finished by the next one with the same options, or what it left is dropped by one with
    others.
  - What was restored bears a note in its comment, by which a second run knows that there is nothing to do.
extends_documentation_fragment:
  - runbook.postgres.connection
options:
  backup:
    description:
      - V(latest), which is the newest backup that holds what is wanted, and none that was taken by O(safety_backup); or
        the id of one in O(repository), or the absolute path of a backup's directory.
      - The latest one is refused when something is wrong with it, and the last one that is whole is named. It is taken
        only by its id, so that nobody gets the night before in silence.
    type: str
    default: latest
  repository:
    description:
      - Directory with backups on the managed host.
    type: path
  offsite:
    description:
      - Take the backup from here, the remote of C(rclone) and the path in it, or the path, that
        M(runbook.postgres.pg_backup) copied it to. O(backup) is then V(latest) of those or an id.
      - It is fetched into O(repository) as it is, an encrypted one encrypted, compared with its manifest, and stays
        there like any other. Check mode fetches nothing and knows of it what the manifest says.
    type: str
  database:
    description:
      - The database whose latest backup is meant. Needed where O(repository) holds backups of several.
    type: str
  system_identifier:
    description:
      - The cluster whose latest backup is meant, where those of several lie in one directory. This server's unless
        given; the latest of another cluster's is never taken for it.
    type: str
  target:
    description:
      - The database to restore into. The one that was backed up unless given.
      - It must not be O(login_db), from which databases are renamed.
    type: str
  identity:
    description:
      - File on the managed host with the secret key of one of the backup's recipients, for an encrypted backup.
        The module hands its name to C(age) and does not read it. What is decrypted goes straight into PostgreSQL's
        programs and is on no disk.
    type: path
  replace:
    description:
      - Whether what is there may be replaced. An empty database may be without, and is
        looked at once more before it goes.
    type: bool
    default: false
  again:
    description:
      - Whether to restore also what was restored from this very backup before.
    type: bool
    default: false
  replaced:
    description:
      - What becomes of what was replaced, by this run and by those before it.
      - V(keep) keeps it until a run says V(drop).
      - V(drop) of what this run replaces is refused where clients write to it until then, since that is in no backup.
        A database takes O(keep_out=during_restore) as well, tables take a later run; O(safety_backup=false) says that
        nothing of it is wanted.
    type: str
    choices: [keep, drop]
    default: keep
  keep_out:
    description:
      - How long sessions are kept out of a database that is replaced.
      - V(during_swap) ends them when the restored database stands checked beside it, and for as long as the change of
        names takes. What they wrote until then is in the database that is kept.
      - V(during_restore) ends them first, so that nothing is written that the restored database does not have.
        Superusers may go on.
    type: str
    choices: [during_swap, during_restore]
    default: during_swap
  safety_backup:
    description:
      - Whether to back up what is replaced before anything is done to it, to the recipients that the restored backup
        has, labelled C(safety).
    type: bool
    default: true
  safety_repository:
    description:
      - Directory for that backup, O(repository) unless given.
    type: path
  safety_retention:
    description:
      - Which of those backups stay, of the database that is restored into. One goes when it is past both; the last one
        that is good never goes, of the whole database and of the same tables each. An empty dictionary keeps all.
    type: dict
    default: {age: 30 days, count: 3}
    suboptions:
      age:
        description:
          - How old they get, such as V(30 days).
        type: str
      count:
        description:
          - How many stay.
        type: int
  expected_size:
    description:
      - How much the server's disk needs for what is restored, such as V(20 GB), to compare with what is free. Unless
        given it is what the database had and a fifth; for tables and schemas their share of it by the rows that the
        backup counted, and where it counted none they are restored with a warning.
    type: str
  roles:
    description:
      - What to do about roles that the backup needs and that the server lacks.
      - V(refuse) names them. V(restore) creates them from the backup's globals, with the passwords they had.
    type: str
    choices: [refuse, restore]
    default: refuse
  tablespaces:
    description:
      - V(keep) puts everything into the tablespace that it was in, which must be there. V(default) does not.
    type: str
    choices: [keep, default]
    default: keep
  jobs:
    description:
      - How many connections restore and analyze at once. A backup that is encrypted or was packed by another program
        is read once from its beginning to its end, by one.
    type: int
    default: 1
  timeout:
    description:
      - Seconds after which a program that restores, makes indexes or analyzes is stopped, also while it waits for a
        lock or for a standby.
    type: int
    default: 604800
  tables:
    description:
      - Restore these tables only, with what inherits from them. Names as SQL writes them, in schema public unless
        they say otherwise.
      - Foreign keys that refer to a replaced table are made again and so checked against the rows that came back; views
        of it are written again as they were. What cannot be made to refer to it again is named beforehand.
    type: list
    elements: str
    default: []
  schemas:
    description:
      - Restore these schemas only, by their plain names.
    type: list
    elements: str
    default: []
  into_schema:
    description:
      - Restore the tables into this schema, or the one schema under this name, beside what is there.
    type: str
  rename_to:
    description:
      - Restore the one table under this name.
    type: str
  checks:
    description:
      - What has to be right before what was restored takes its place. Always compared are the backup's files; all
        constraints are validated, and indexes have to be valid.
    type: dict
    suboptions:
      rows:
        description:
          - Whether to compare the rows of each table with the backup's manifest, where that counts them.
        type: bool
        default: true
      amcheck:
        description:
          - Whether to read all btree indexes and, from PostgreSQL 14 on, all tables through by C(amcheck). The
            extension is not left behind.
        type: bool
        default: false
      queries:
        description:
          - Questions that know the right answer. They can write nothing.
          - Those about tables that are replaced are asked before anybody else sees the new ones, while clients of the
            tables wait, so that each has 20 seconds and nothing is replaced after that.
        type: list
        elements: dict
        default: []
        suboptions:
          query:
            description:
              - A statement that returns rows.
            type: str
            required: true
          expect:
            description:
              - All its rows. One value stands for one row of one column, a list for rows of one column, lists in it
                for rows of several.
            type: raw
            required: true
attributes:
  check_mode:
    description:
      - Checks the backup and the server and says what would be done; sessions are read-only. What only shows when rows
        are there, such as a query's answer, is not foretold.
    support: full
  diff_mode:
    description: Shows what is restored, what is kept and which backups of what was replaced stay.
    support: full
notes:
  - It takes a superuser, who may give each object back to its owner, and PostgreSQL's client programs on the managed
    host.
  - Replication slots and subscriptions belong to a database and stay with the one that is kept. A restored database has
    none, since its subscriptions would take the slots of those that were backed up.
  - While a run is at work the file C(.restore-<target>-<mark>.progress.json) in O(repository) says once in a second how
    far it is, for its owner alone; M(runbook.postgres.pg_backup_info) returns that.
seealso:
  - module: runbook.postgres.pg_backup
  - module: runbook.postgres.pg_partition_restore
"""

EXAMPLES = r"""
- name: Last night's backup of the shop is a database beside it
  runbook.postgres.pg_restore:
    repository: /var/backups/postgresql
    database: shop
    target: shop_yesterday

- name: The shop is what it was before the migration, and what it became is kept
  runbook.postgres.pg_restore:
    repository: /var/backups/postgresql
    backup: shop-all-20260801T020000Z-0a1b2c
    identity: /root/keys/backups.txt
    replace: true
    keep_out: during_restore
    checks:
      amcheck: true
      queries:
        - query: SELECT count(*) FROM invoices WHERE total IS NULL
          expect: 0

- name: The host is new and the backups are elsewhere
  runbook.postgres.pg_restore:
    repository: /var/backups/postgresql
    offsite: vault:postgres/backups
    database: shop
    identity: /root/keys/backups.txt
    roles: restore

- name: What was replaced is not needed any more
  runbook.postgres.pg_restore:
    repository: /var/backups/postgresql
    backup: shop-all-20260801T020000Z-0a1b2c
    identity: /root/keys/backups.txt
    replaced: drop

- name: One table is what it was, its foreign keys and views included
  runbook.postgres.pg_restore:
    repository: /var/backups/postgresql
    database: shop
    tables: [public.invoices]
    replace: true

- name: Yesterday's rows of two tables can be looked at beside today's
  runbook.postgres.pg_restore:
    repository: /var/backups/postgresql
    database: shop
    tables: [public.invoices, public.customers]
    into_schema: yesterday
"""

RETURN = r"""
backup:
  description:
    - The backup's id.
  returned: success
  type: str
  sample: shop-all-20260801T020000Z-0a1b2c
target:
  description:
    - The database that was restored, or restored into.
  returned: success
  type: str
kept:
  description:
    - The name of the database, or of the schemas, that what was replaced is kept under; none if nothing was.
  returned: success
  type: str
  sample: shop_before_20260802T091500Z
kept_out_seconds:
  description:
    - For how long this run kept sessions out of the database that it replaced. With O(keep_out=during_swap) that is as
      long as the change of names took. Null where no database was replaced, and in check mode.
  returned: success
  type: float
safety_backup:
  description:
    - The id of the backup of what was replaced.
  returned: success
  type: str
checks:
  description:
    - What was found. C(rows) counts all that were compared, C(amcheck) the indexes and tables that were read through,
      C(not_validated) names constraints that were not validated in the backup either, C(unfinished_indexes) those of
      partitioned tables that lacked a partition's, C(queries) holds the answers. Both are warned of as well.
  returned: success
  type: dict
plan:
  description:
    - Each step that this run takes, or in check mode would take.
  returned: success
  type: list
  elements: str
steps:
  description:
    - Each step taken, with C(step) and C(seconds); empty in check mode.
  returned: always
  type: list
  elements: dict
warnings:
  description:
    - What is odd, such as a backup from another cluster.
  returned: when there is something
  type: list
  elements: str
"""

from ansible_collections.runbook.postgres.plugins.module_utils._backup.options import RETENTION
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.mend import Restore
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.whole import Server
from ansible_collections.runbook.postgres.plugins.module_utils._connection import CONNECTION_OPTIONS, libpq_parameters
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module

OPTIONS = {
    **CONNECTION_OPTIONS,
    "backup": {"type": "str", "default": "latest"},
    "repository": {"type": "path"},
    "offsite": {"type": "str"},
    "database": {"type": "str"},
    "system_identifier": {"type": "str"},
    "target": {"type": "str"},
    "identity": {"type": "path"},
    "replace": {"type": "bool", "default": False},
    "again": {"type": "bool", "default": False},
    "replaced": {"type": "str", "choices": ["keep", "drop"], "default": "keep"},
    "keep_out": {"type": "str", "choices": ["during_swap", "during_restore"], "default": "during_swap"},
    "safety_backup": {"type": "bool", "default": True},
    "safety_repository": {"type": "path"},
    "safety_retention": {**RETENTION, "default": {"age": "30 days", "count": 3}},
    "expected_size": {"type": "str"},
    "roles": {"type": "str", "choices": ["refuse", "restore"], "default": "refuse"},
    "tablespaces": {"type": "str", "choices": ["keep", "default"], "default": "keep"},
    "jobs": {"type": "int", "default": 1},
    "timeout": {"type": "int", "default": 604800},
    "tables": {"type": "list", "elements": "str", "default": []},
    "schemas": {"type": "list", "elements": "str", "default": []},
    "into_schema": {"type": "str"},
    "rename_to": {"type": "str"},
    "checks": {
        "type": "dict",
        "options": {
            "rows": {"type": "bool", "default": True},
            "amcheck": {"type": "bool", "default": False},
            "queries": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "query": {"type": "str", "required": True},
                    "expect": {"type": "raw", "required": True},
                },
            },
        },
    },
}


def main() -> None:
    with Module(OPTIONS) as module, module.session() as session:
        server = Server(session, lambda name: module.session(database=name), libpq_parameters(module.params))
        restore = Restore(module.params, server, module.copy_connection, alone=not module.check_mode)
        try:
            if not module.check_mode:
                restore.carry_out()
        finally:
            module.report(**restore.result())


if __name__ == "__main__":
    main()
