# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A backup that is young enough and proven is there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_backup
short_description: A backup no older than asked for, and proven, is there
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that a backup exists that is no older than O(max_age) and was verified by O(verify). It is taken, verified,
    copied elsewhere, or left alone, as that takes. Backups past their O(retention) are removed.
  - With O(method=logical) C(pg_dump) makes a dump of one database, of its schema, or of chosen tables, and the roles of
    the cluster come along. A backup is a directory below O(destination). Beside the dump it holds a manifest with a
    sha256 of each file, and what a restore needs to know of the database.
  - A backup gets its name last. Everything was written, read back and flushed to the disk by then, and a run that
    was killed, failed or ran out of room leaves nothing that looks like one. The next run clears away what it left,
    a database that was restored for a verification included.
  - A manifest carries a hash of itself. A file that was altered, cut short or lost, and a manifest that was edited,
    are each found and named when the backup is verified.
  - The last backup without a problem, and the last one of them that was verified, are never removed, and none is that
    somebody restores from. Of physical ones nothing is while M(runbook.postgres.pg_recover) or
    M(runbook.postgres.pg_drill) is at work with the same stanza on that host.
extends_documentation_fragment:
  - runbook.postgres.connection
options:
  method:
    description:
      - How the backup is taken. V(logical) is for moving databases, single tables, and what is dumped in a reasonable
        time.
      - V(physical) has pgBackRest copy the whole cluster, and keeps up with its WAL; the role
        P(runbook.postgres.backup#role) configures it, retention and encryption included. It runs on the repository
        host or, where there is none, on the primary, as root. Of the options below it takes O(stanza),
        O(repository), O(kind), O(max_age), O(verify) and O(timeout), and O(state=present).
    type: str
    choices: [logical, physical]
    default: logical
  stanza:
    description:
      - What the cluster is called in pgBackRest's repositories, needed with O(method=physical).
    type: str
  repository:
    description:
      - The number of the repository, with O(method=physical).
    type: int
    default: 1
  kind:
    description:
      - With O(method=physical), V(full) stands alone, V(diff) holds what changed since the last full one, and V(incr)
        what changed since the last of any kind. One that is young enough serves for those after it in this list.
      - Where the one that V(diff) or V(incr) would stand on is missing or has a problem, a full one is taken instead.
    type: str
    choices: [full, diff, incr]
    default: full
  state:
    description:
      - V(present) takes a backup where none is young enough.
      - V(verified) takes none. The backup O(id) was verified by O(verify) within O(max_age), on whatever server the
        connection options name. A proof that fails is kept with the backup, which then counts as none until another
        proof holds that is as strong.
    type: str
    choices: [present, verified]
    default: present
  max_age:
    description:
      - How old the backup may be, or with O(state=verified) its proof, such as V(26 hours) or V(7 days). V(0) takes or
        proves one now. There is no default, it is for you to say.
      - A backup that says it was taken in the future does not count, since a clock was wrong.
    type: str
    required: true
  verify:
    description:
      - How the backup is proven, each level beyond the one before it.
      - V(checksum) reads every file back and compares it with what was written.
      - V(list) has C(pg_restore) read its table of contents as well, or reads a plain dump to its last line.
      - V(restore) restores it into a database of its own on the same server, compares the rows of each table where the
        manifest counts them (O(count_rows)), and drops that database. The role needs C(CREATEDB). A server whose disk
        would be full is refused; one whose disk cannot be seen from here, by host or by role, is warned of. It takes a
        backup of a whole database or its schema.
      - An encrypted backup can be listed and restored only where its secret key is, see O(identity).
      - With O(method=physical) there are V(none) and V(checksum), for which pgBackRest 2.39 or later reads the whole
        repository back. Pages of the cluster that do not match their checksums, of which pgBackRest only warns, fail
        the run whatever is given here.
    type: str
    choices: [none, checksum, list, restore]
    default: checksum
  timeout:
    description:
      - Seconds after which a dump or a restore that has not ended is stopped.
    type: int
    default: 86400
  database:
    description:
      - The database, needed with O(state=present). O(login_db) is not used then.
      - With O(state=verified) whose backup the latest one is, where O(destination) holds those of several.
    type: str
  id:
    description:
      - Which backup is meant by O(state=verified), an id or V(latest). A latest one with a problem is refused, not
        passed over for an older one.
    type: str
    default: latest
  destination:
    description:
      - Directory on the managed host, one for any number of databases. One that is not there is made, for its owner
        only; backups are for their owner only as well.
    type: path
  label:
    description:
      - A word of your own for backups that are to have an age and a retention of their own, such as V(weekly). Backups
        of the same database, O(content), tables and label replace one another.
      - With O(state=verified) the latest backup is that with this label, or without one.
    type: str
    default: ""
  content:
    description:
      - V(all) is everything, V(schema) all but rows, V(data) rows alone.
    type: str
    choices: [all, schema, data]
    default: all
  tables:
    description:
      - Only these tables, as SQL writes their names. Partitions and tables that inherit come along. All tables unless
        given.
    type: list
    elements: str
    default: []
  format:
    description:
      - V(custom) is one file that C(pg_restore) takes apart, V(directory) one for each table, V(plain) a script for
        C(psql). Only V(directory) is dumped by several processes, and it cannot be encrypted.
    type: str
    choices: [custom, directory, plain]
    default: custom
  jobs:
    description:
      - How many tables are dumped at once with O(format=directory). Elsewhere threads of C(zstd), where the dump is
        piped through it.
    type: int
    default: 1
  compression:
    description:
      - How the dump is packed.
    type: dict
    suboptions:
      method:
        description:
          - From PostgreSQL 16 on C(pg_dump) packs by any of them itself. Before that V(zstd) and V(lz4) take O(format)
            V(custom) or V(plain) and the program of that name, through which the dump is piped.
        type: str
        choices: [none, gzip, zstd, lz4]
        default: gzip
      level:
        description:
          - From 1 to 9 for V(gzip), 19 for V(zstd), 12 for V(lz4). The program's own unless given.
        type: int
  globals:
    description:
      - Whether roles, their memberships and settings, and tablespaces are dumped alongside by C(pg_dumpall), with the
        hashes of passwords, which takes a superuser, or without.
    type: str
    choices: [full, without_passwords, none]
    default: full
  count_rows:
    description:
      - Whether the rows of each table are counted in the dump's own snapshot and kept in the manifest. It reads every
        table once more.
    type: bool
    default: false
  recipients:
    description:
      - Public keys for which the dump and the roles are encrypted by the program C(age), which has to be installed on
        the managed host. They are encrypted on their way, nothing plain is written to a disk. The manifest is not
        encrypted; it holds names of tables and roles, and no rows.
      - They are hidden in logs, because a secret key given by mistake has to be.
    type: list
    elements: str
    default: []
  identity:
    description:
      - File with age's secret key on the managed host, to list or restore an encrypted backup.
    type: path
  owner:
    description:
      - User that backups are to belong to. Needs root, as O(group) does.
    type: str
  group:
    description:
      - Group that backups are to belong to, the one of O(owner) unless given.
    type: str
  retention:
    description:
      - Which backups of the series stay. All, unless given. Where both are given a backup goes when it is past both.
      - Backups of another cluster, database, O(content), O(tables) or O(label) are not touched, also where that cluster
        is gone.
    type: dict
    suboptions:
      age:
        description:
          - How old backups get, such as V(30 days).
        type: str
      count:
        description:
          - How many stay. One that has a problem is not counted.
        type: int
  offsite:
    description:
      - Where the backup is copied, and with it what is here and did not arrive in the runs before. Whatever the far end
        does not take or give up, what is to be done here is done first, and the run fails at its end.
    type: dict
    suboptions:
      remote:
        description:
          - As C(rclone) names it, for example V(vault:postgres/orders), or a directory. The remote is one that
            rclone's own configuration file names; rclone has to be installed on the managed host.
          - The copy is compared by hashes that the far end takes of it, or is read back where it takes none. Its
            manifest goes there last, so that what has one is whole.
          - A proof that fails later is told there as well, so that nobody takes the copy for the latest good one.
        type: str
        required: true
      retention:
        description:
          - Which copies stay. All, unless given.
        type: dict
        suboptions:
          age:
            description:
              - How old copies get, such as V(90 days).
            type: str
          count:
            description:
              - How many stay.
            type: int
  expected_size:
    description:
      - How much the backup will take, such as V(20 GB), to compare with what is free. Unless given it is what the
        last one took and a fifth, grown as the database did, and without a last one half of what the tables take.
      - With O(method=physical) it counts where the repository is on a disk of this host. Unless given it is what the
        last full one took and a fifth, for a full one; what others take is not known beforehand.
    type: str
  lock_timeout:
    description:
      - Seconds after which C(pg_dump) gives up on a table that somebody has locked exclusively.
    type: float
    default: 60
attributes:
  check_mode:
    description:
      - Says what would be taken, verified, copied and removed; nothing is written. It waits for no other run; with
        O(method=logical) it warns of one that is at work there, with O(method=physical) it is refused like a run.
    support: full
  diff_mode:
    description: Shows the backups of the series before and after.
    support: full
notes:
  - C(psycopg2) is needed for O(method=logical) only.
  - One run at a time writes backups of a database to a directory; a second one is refused.
  - While a run is at work a file that its owner alone reads says once in a second how far it is, and
    M(runbook.postgres.pg_backup_info) returns that. It is C(.<id>.progress.json) in O(destination), and for
    O(method=physical) C(/var/lib/runbook-postgres/.backup-<stanza>-<repository>.progress.json).
seealso:
  - module: runbook.postgres.pg_backup_info
"""

EXAMPLES = r"""
- name: Last night's backup is there, encrypted, proven, copied elsewhere, and a month of them
  runbook.postgres.pg_backup:
    database: orders
    destination: /var/lib/postgresql/backups
    max_age: 20 hours
    compression:
      method: zstd
    recipients: "{{ orders_backup_keys }}"
    retention:
      age: 30 days
      count: 7
    offsite:
      remote: vault:postgres/orders
      retention:
        age: 90 days
  become: true
  become_user: postgres

- name: The cluster was backed up since yesterday, by pgBackRest
  runbook.postgres.pg_backup:
    method: physical
    stanza: orders
    kind: full
    max_age: 20 hours
  become: true

- name: And what changed since, every six hours
  runbook.postgres.pg_backup:
    method: physical
    stanza: orders
    kind: incr
    max_age: 5 hours
    verify: none
  become: true

- name: A backup before the migration, restored once to be sure
  runbook.postgres.pg_backup:
    database: orders
    destination: /var/lib/postgresql/backups
    label: before_migration
    max_age: 0
    verify: restore
    count_rows: true
    retention:
      count: 3
  become: true
  become_user: postgres

- name: One table, before it is changed by hand
  runbook.postgres.pg_backup:
    database: orders
    destination: /var/lib/postgresql/backups
    tables: [public.customers]
    max_age: 0
    verify: list
  become: true
  become_user: postgres

- name: The latest backup was restored within a week
  runbook.postgres.pg_backup:
    state: verified
    database: orders
    destination: /var/lib/postgresql/backups
    verify: restore
    max_age: 7 days
  become: true
  become_user: postgres
"""

RETURN = r"""
taken:
  description:
    - Whether a backup was taken, or in check mode would be.
  returned: always
  type: bool
steps:
  description:
    - Each step, taken or, in check mode, foreseen.
  returned: always
  type: list
  elements: str
removed:
  description:
    - The backups that were removed. C(place) is empty for those here and the remote for copies.
  returned: always
  type: list
  elements: dict
  sample:
    - id: orders-all-20260801T020004Z-5f2c1e
      why: older than 30 days and not among the last 7
      place: ""
id:
  description:
    - The backup that is as wanted. Null in check mode where it is still to be taken, as is all that follows, and where
      the run failed before it was.
  returned: always
  type: str
  sample: orders-all-20260901T020004Z-0a1b2c
path:
  description:
    - Its directory on the managed host.
  returned: always
  type: str
bytes:
  description:
    - What its files take.
  returned: always
  type: int
age_seconds:
  description:
    - How old what it holds is.
  returned: always
  type: int
lsn:
  description:
    - The end of the WAL when its snapshot was taken.
  returned: always
  type: str
verified:
  description:
    - The strongest proof that held and when, or null.
  returned: always
  type: dict
  contains:
    level:
      description: As in O(verify).
      type: str
      returned: always
    at:
      description: When, in UTC.
      type: str
      returned: always
copies:
  description:
    - Where copies of it are, and how each was compared there.
  returned: always
  type: list
  elements: dict
duration:
  description:
    - Seconds that it took until it bore its name, proofs by checksum and list included. Null where none was taken, as
      are the next two.
  returned: always
  type: float
throughput:
  description:
    - Bytes that the dumped tables take on the server, for each second.
  returned: always
  type: int
compression_ratio:
  description:
    - How many times smaller it is than those tables are on the server.
  returned: always
  type: float
"""

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import LOGICAL, PHYSICAL
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.request import LOGICAL_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.run import backed_up
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.verified import verified
from ansible_collections.runbook.postgres.plugins.module_utils._backup.options import SHARED_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.request import PHYSICAL_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.run import backed_up as copied
from ansible_collections.runbook.postgres.plugins.module_utils._connection import CONNECTION_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module

# What makes it so, by method and state.
METHODS = {LOGICAL: {"present": backed_up, "verified": verified}, PHYSICAL: {"present": copied}}

OPTIONS = {
    **CONNECTION_OPTIONS,
    "method": {"type": "str", "choices": list(METHODS), "default": LOGICAL},
    "state": {"type": "str", "choices": ["present", "verified"], "default": "present"},
    **SHARED_OPTIONS,
    **LOGICAL_OPTIONS,
    **PHYSICAL_OPTIONS,
}


def main() -> None:
    # pgBackRest talks to servers by itself, and a host that keeps repositories may have no driver.
    with Module(OPTIONS, driver=False) as module:
        method, state = module.params["method"], module.params["state"]
        if state not in METHODS[method]:
            raise Refused(f"state is {state}, which method {method} does not have: give present.")
        if method == LOGICAL:
            module.require_driver()
        METHODS[method][state](module)


if __name__ == "__main__":
    main()
