# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""State that an instance on this host is its cluster as it was at a point in time."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_recover
short_description: Recover a cluster to a point in time, and prove that it is there
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that an instance on the managed host is its cluster as it was at a target - a time, a position in WAL, a
    transaction, a named restore point, the end of a backup, or the end of the archive - from a pgBackRest repository.
  - The backup is restored beside the present data, and replayed there by a server that nobody else can reach. That
    server is then asked where it stopped. When that is not the target the run fails, and the present data was not
    touched; a line in a log is no proof, and none is taken for one.
  - Only what was proven takes the place of the present data, which is kept under a name with C(.before-recovery-) and
    the time in UTC. It is never removed.
  - What cannot work is refused before anything is changed - a target before the end of every backup or beyond the
    archive, a timeline that the archive does not know or that does not come from this instance's, another cluster, a
    standby, a server that runs or standbys that follow it without consent, a disk without room, a host on which a
    program like Patroni decides by itself who is primary.
  - WAL of an instance that does not run and that never reached the archive is taken from its directory, so that a
    recovery to the end of the archive loses nothing that can still be read.
  - A run that is killed anywhere is gone on with by the next one.
options:
  stanza:
    description:
      - The pgBackRest stanza that holds the cluster's backups, as this host's pgBackRest is configured for it.
    type: str
    required: true
  config:
    description:
      - File with pgBackRest's configuration, when it is not in its usual place.
    type: path
  repository:
    description:
      - Number of the repository, where there are several and one is meant.
    type: int
  backup:
    description:
      - Label of the backup to begin with. The newest one from which the target can be reached unless given.
      - Before a transaction or a restore point nobody can say which backup that is; when the newest one turns out to
        be too late, name an older one. A server that runs is therefore not stopped for them before the target was
        reached, unless the backup is named.
    type: str
  target:
    description:
      - What kind of point is meant.
      - V(latest) is the end of the archive, V(immediate) the end of the backup.
    type: str
    choices: [latest, immediate, time, lsn, xid, name]
    required: true
  target_value:
    description:
      - The point. A time has to say its offset, as in V(2026-01-31T14:05:00+01:00).
    type: str
  inclusive:
    description:
      - Whether what is exactly at the target is part of it. To be without the transaction that did the damage, name it
        with O(target=xid) and O(inclusive=false).
    type: bool
    default: true
  timeline:
    description:
      - Timeline to follow. The latest that the archive knows unless given; one that did not come from the present
        instance's is then refused, and so is one that may be a dead branch, since another went on later than it did, or
        for more than an hour after it began.
    type: int
  end:
    description:
      - V(promoted) lets the instance take writes, on a timeline of its own.
      - V(paused) leaves it at the target for somebody to look at. A second run with V(promoted) and the same target
        lets it go on.
    type: str
    choices: [promoted, paused]
    default: promoted
  archives:
    description:
      - Whether what is recovered takes the place of the cluster that archives into this stanza, and goes on archiving
        as its configuration says.
      - With V(false) C(archive_mode) is off in the data's own C(postgresql.auto.conf), over all configuration of the
        host, before a server runs on it that could archive. Where production serves elsewhere that is what is wanted,
        since two servers of one cluster that archive into one repository spoil it for both.
      - A run that finds the recovery done and the data otherwise than that is refused, and says how to change it.
    type: bool
    default: true
  running_server:
    description:
      - What becomes of a server that runs on the present data.
      - With V(stop) it is stopped before anything else, so that nobody writes what will be left behind. A run that
        fails after that says that it is stopped, and does not start it.
      - With V(stop_last) it serves until the recovered data was proven, and is stopped for the exchange only.
    type: str
    choices: [refuse, stop, stop_last]
    default: refuse
  leave_standbys:
    description:
      - Whether standbys that stream from the instance may be left behind. They cannot follow onto the new timeline and
        have to be cloned again, for example with M(runbook.postgres.pg_standby) and its option C(rebuild).
    type: bool
    default: false
  replaces:
    description:
      - System identifier of another cluster whose data is here and may be moved aside.
    type: str
  system_identifier:
    description:
      - The cluster that is meant. Whatever the stanza holds unless given.
    type: str
  proofs:
    description:
      - What M(runbook.postgres.pg_backup) has written down of the stanza's backups where it takes them, the content of
        C(/var/lib/runbook-postgres/backup-<stanza>.json) there. That of this host counts unless given.
      - A target that needs WAL which is known to be damaged is refused, and a backup that is known to be damaged is
        begun with only where there is no other.
    type: dict
  checks:
    description:
      - Questions that are put to the recovered server before it takes its place. Any answer but true fails the run.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - What to call it.
        type: str
      database:
        description:
          - Where to ask.
        type: str
        default: postgres
      query:
        description:
          - A statement with one answer, true or false. It cannot write.
        type: str
        required: true
  again:
    description:
      - Whether to recover once more what was recovered to the same target before.
      - While the server of what was recovered does not run, it is asked for and not called done.
    type: bool
    default: false
  version:
    description:
      - Major version of PostgreSQL. Its packages have to be installed.
    type: int
    required: true
  instance:
    description:
      - Name of the instance, as Debian's tools have it. It is registered where there is none yet.
    type: str
    default: main
  port:
    description:
      - Port that a new instance is registered with.
    type: int
    default: 5432
  data_directory:
    description:
      - Where the data is or is to be. The instance's own unless given, else Debian's place for it.
      - It cannot be a mount point, since what was restored beside it is renamed into its place.
    type: path
  tablespace_map:
    description:
      - Tablespaces of the backup by their name or oid, each with the directory on this host that it is to have. It is
        made where it is not there, and has to be empty and outside of the data.
      - The others are put into a directory beside the data.
    type: dict
    default: {}
  timeout:
    description:
      - Seconds after which the restore or the replay is given up, and each question in O(checks).
    type: int
    default: 86400
attributes:
  check_mode:
    description: Says what would be done and refuses what would be refused; only the repository is read.
    support: full
  diff_mode:
    description: Shows what the data directory is before and after.
    support: full
notes:
  - Run it as root, with C(become=true). The programs of PostgreSQL and pgBackRest are run as the system user postgres.
  - C(psycopg2) is not needed.
  - The recovered cluster's tablespaces are put into a directory beside the data whose name has C(.tablespaces-) in it,
    since those of the present data stay where they are, or where O(tablespace_map) says.
  - A recovery that ran to its end is written down in C(/var/lib/runbook-postgres), and is not done a second time unless
    O(again=true).
  - While a run is at work C(/var/lib/runbook-postgres/.recovery-<version>-<instance>.progress.json) says once in a
    second how far it is, for root alone; M(runbook.postgres.pg_backup_info) returns that for O(stanza).
seealso:
  - module: runbook.postgres.pg_standby
    description: Standbys of a recovered cluster are cloned again.
"""

EXAMPLES = r"""
- name: Orders are as they were before the table was dropped
  runbook.postgres.pg_recover:
    version: 15
    stanza: orders
    target: time
    target_value: "2026-01-31T14:04:59+01:00"
    running_server: stop
    leave_standbys: true
    checks:
      - name: the table is there
        database: orders
        query: SELECT count(*) > 0 FROM customer
  become: true

- name: What orders were yesterday can be looked up on another host, while production serves
  runbook.postgres.pg_recover:
    version: 15
    stanza: orders
    target: time
    target_value: "2026-01-30T23:59:59+01:00"
    archives: false
  become: true

- name: The last transaction that is not wanted is named, look before it goes on
  runbook.postgres.pg_recover:
    version: 15
    stanza: orders
    target: xid
    target_value: "4711"
    inclusive: false
    end: paused
    running_server: stop_last
  become: true
"""

RETURN = r"""
target:
  description:
    - The target in words.
  returned: always
  type: str
backup:
  description:
    - Label of the backup that it began with.
  returned: when one was chosen
  type: str
stopped_at_lsn:
  description:
    - How far the recovered server said that it had replayed.
  returned: when it was replayed
  type: str
stopped_at_time:
  description:
    - When the last transaction ended that it replayed, as the server said.
  returned: when it was replayed
  type: str
next_transaction_at:
  description:
    - When the first transaction ended that it did not replay, as the WAL says. For O(target=time).
  returned: when it was replayed
  type: str
followed_timeline:
  description:
    - The timeline that was followed to the target.
  returned: when known
  type: int
timeline:
  description:
    - The timeline that the instance is on since then.
  returned: when it was replayed
  type: int
archives:
  description:
    - Whether what was recovered goes on archiving as its configuration says.
  returned: always
  type: bool
checks:
  description:
    - The questions that were asked and passed.
  returned: always
  type: list
  elements: dict
old_data:
  description:
    - Where the data is that was there before.
  returned: always
  type: str
tablespaces:
  description:
    - Each tablespace of O(tablespace_map) by its name, and the directory that it has.
  returned: when there was something to do
  type: dict
seconds:
  description:
    - How long each kind of step took.
  returned: when there was something to do
  type: dict
steps:
  description:
    - Each step, taken or, in check mode, foreseen.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.recover import recovered

CHECK = {
    "name": {"type": "str"},
    "database": {"type": "str", "default": "postgres"},
    "query": {"type": "str", "required": True},
}
OPTIONS = {
    "stanza": {"type": "str", "required": True},
    "config": {"type": "path"},
    "repository": {"type": "int"},
    "backup": {"type": "str"},
    "target": {"type": "str", "choices": ["latest", "immediate", "time", "lsn", "xid", "name"], "required": True},
    "target_value": {"type": "str"},
    "inclusive": {"type": "bool", "default": True},
    "timeline": {"type": "int"},
    "end": {"type": "str", "choices": ["promoted", "paused"], "default": "promoted"},
    "archives": {"type": "bool", "default": True},
    "running_server": {"type": "str", "choices": ["refuse", "stop", "stop_last"], "default": "refuse"},
    "leave_standbys": {"type": "bool", "default": False},
    "replaces": {"type": "str"},
    "system_identifier": {"type": "str"},
    "proofs": {"type": "dict"},
    "checks": {"type": "list", "elements": "dict", "default": [], "options": CHECK},
    "again": {"type": "bool", "default": False},
    "version": {"type": "int", "required": True},
    "instance": {"type": "str", "default": "main"},
    "port": {"type": "int", "default": 5432},
    "data_directory": {"type": "path"},
    "tablespace_map": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 86400},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        recovered(module)


if __name__ == "__main__":
    main()
