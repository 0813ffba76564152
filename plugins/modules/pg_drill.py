# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Hold a recovery drill on this host, and keep the evidence."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_drill
short_description: Hold a recovery drill and measure it
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - Restores the latest pgBackRest backup of a cluster on a scratch host, replays to the end of the archive, asks the
    recovered server what the user wants to know, and measures both.
  - The backup that was restored and found whole is told as verified by M(runbook.postgres.pg_backup_info), with level
    V(restore), where the drill's state file is; playbook C(drill) brings it to the cluster's nodes. One that was found
    to be damaged is told with that as its problem there, so that no backup is stood on it and none goes for it, and
    M(runbook.postgres.pg_recover) begins with another one; until a drill restores it.
  - Restores the latest logical backups as well, or alone, each on a new server that is there for nothing else, and just
    as M(runbook.postgres.pg_restore) does in earnest, its files and the rows of each table compared with its manifest.
  - The recovery time (RTO) is the wall time from the beginning to the first correct answer. What would have been lost
    (RPO) is how old the newest recovered commit was when the archive had been read to its end, since what arrives there
    meanwhile is recovered as well; of a logical backup, how old that was when the drill began.
  - Two clocks tell that, the one of this host and the one of the cluster. Where a commit is from later than it can be,
    one of them is wrong and the drill fails.
  - Whatever comes of it is written down, as JSON and as a page for people, and what was restored is removed again, also
    when the drill fails or is ended by SIGTERM, as by a shutdown. A drill fails when an objective is missed, a check
    does not pass, or the recovery does not succeed.
  - A host of the cluster is refused, and so is any that is named as production.
  - The server that is started here listens on no address, archives nothing, and runs no subscription.
options:
  stanza:
    description:
      - The pgBackRest stanza that holds the cluster's backups, as this host's pgBackRest is configured for it.
      - Without it no physical backup is restored, only what O(logical) says.
    type: str
  cluster:
    description:
      - Name of the cluster in the evidence. That of the stanza unless given.
    type: str
  logical:
    description:
      - Logical backups made by M(runbook.postgres.pg_backup), of each the latest one of a whole database. The newest is
        taken whatever is wrong with it, since that is what a drill is to find out.
      - A backup that was restored is told as verified by M(runbook.postgres.pg_backup_info), where the repository can
        be written to from this host, and one that was found to be damaged with that as its problem.
    type: list
    elements: dict
    default: []
    suboptions:
      repository:
        description:
          - Directory with the backups, as this host sees it.
        type: path
      offsite:
        description:
          - Take it from here instead, the remote of C(rclone) and the path in it, or the path, that backups are copied
            to. The copy is fetched, which counts as recovery time, and removed at the end.
        type: str
      database:
        description:
          - The database. Needed where there are backups of several.
        type: str
      identity:
        description:
          - File on this host with the secret key of one of the backup's recipients, for an encrypted backup.
        type: path
      jobs:
        description:
          - How many connections restore at once, where the backup's format allows that.
        type: int
        default: 1
      checks:
        description:
          - Questions that are put to the restored database. Any answer but true fails the drill.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description:
              - What to call it.
            type: str
          query:
            description:
              - A statement with one answer, true or false. It cannot write.
            type: str
            required: true
      rto_minutes:
        description:
          - The objective for its recovery time, O(rto_minutes) unless given.
        type: float
      rpo_minutes:
        description:
          - The objective for its age. The default is a day and two hours, what a nightly backup can keep.
        type: float
        default: 1560
  config:
    description:
      - File with pgBackRest's configuration, when it is not in its usual place.
    type: path
  repository:
    description:
      - Number of the repository, where there are several and one is meant.
    type: int
  timeline:
    description:
      - Timeline to follow, to its end in the archive. The latest that the archive knows unless given; one that may be a
        dead branch is refused then, as M(runbook.postgres.pg_recover) would refuse it.
    type: int
  system_identifier:
    description:
      - The cluster that is meant. Whatever the stanza holds unless given. It is needed where logical backups of several
        clusters lie in one directory.
    type: str
  version:
    description:
      - Major version of PostgreSQL. Its packages have to be installed.
    type: int
    required: true
  directory:
    description:
      - Where to restore to; what is made there is removed at the end.
    type: path
    default: /var/lib/postgresql/drill
  tablespace_map:
    description:
      - Tablespaces of the backup by their name or oid, each with the directory on this host that it is to have, as
        where one disk has no room for all of it. It has to be empty, and is again at the end.
      - The others are put into O(directory).
    type: dict
    default: {}
  settings:
    description:
      - Settings for the server, for example C(shared_preload_libraries) that the data needs. Those that would let
        others in or anything out cannot be set.
    type: dict
    default: {}
  production_machine_ids:
    description:
      - What C(/etc/machine-id) of the production nodes says, none of which this host may be.
    type: list
    elements: str
    default: []
  heartbeat:
    description:
      - Where the newest time is that an application, or a job made for it, has written. The end of the newest
        transaction counts unless given, which makes a quiet database look as if more were lost.
    type: dict
    suboptions:
      database:
        description:
          - Where to ask.
        type: str
        required: true
      query:
        description:
          - A query with one answer, a C(timestamptz).
        type: str
        required: true
  checks:
    description:
      - Questions that are put to the recovered server. Any answer but true fails the drill.
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
  rto_minutes:
    description:
      - The objective for the recovery time.
    type: float
    default: 30
  rpo_minutes:
    description:
      - The objective for what is lost.
    type: float
    default: 15
  evidence_directory:
    description:
      - Where the evidence is kept.
    type: path
    default: /var/lib/runbook-postgres/drills
  timeout:
    description:
      - Seconds after which the restore or the replay is given up, and each question to the recovered server.
    type: int
    default: 86400
attributes:
  check_mode:
    description: Refuses what would be refused, and holds no drill.
    support: full
  diff_mode:
    description: The data that a drill makes is removed by it, so there is nothing to show.
    support: none
notes:
  - Run it as root, with C(become=true). The programs of PostgreSQL and pgBackRest are run as the system user postgres.
  - C(psycopg2) is needed for O(logical) only.
  - While a run is at work C(/var/lib/runbook-postgres/.drill-<version>.progress.json) says once in a second how far it
    is, for root alone; M(runbook.postgres.pg_backup_info) returns that for O(stanza). Of a logical backup's restore it
    is told where that backup is.
seealso:
  - module: runbook.postgres.pg_recover
    description: The same recovery when it is meant.
"""

EXAMPLES = r"""
- name: What a disaster would cost today
  runbook.postgres.pg_drill:
    version: 15
    stanza: orders
    heartbeat:
      database: orders
      query: SELECT max(created_at) FROM orders
    checks:
      - name: customers are there
        database: orders
        query: SELECT count(*) > 1000 FROM customer
    logical:
      - offsite: vault:postgres/backups
        database: orders
        identity: /root/keys/backups.txt
  become: true

- name: Last night's dumps are worth something
  runbook.postgres.pg_drill:
    version: 15
    cluster: shop
    logical:
      - repository: /mnt/backups/postgresql
        database: shop
        checks:
          - name: customers are there
            query: SELECT count(*) > 1000 FROM customer
  become: true
"""

RETURN = r"""
passed:
  description:
    - Whether all was as promised; null in check mode.
  returned: always
  type: bool
faults:
  description:
    - What was not.
  returned: when a drill was held
  type: list
  elements: str
summary:
  description:
    - What was measured, in a sentence.
  returned: when a drill was held
  type: str
rto_seconds:
  description:
    - From the beginning to the first correct answer about data, which is the heartbeat's, or without one the rows of
      the smallest table that holds any; null when there was none. Where only logical backups were restored, the
      longest of theirs.
  returned: when a drill was held
  type: float
rpo_seconds:
  description:
    - How old the newest recovered commit was when the archive had been read to its end, which is C(read_at). Where only
      logical backups were restored, the age of the oldest. Null where it was not measured, or a clock is wrong.
  returned: when a drill was held
  type: float
evidence_file:
  description:
    - The evidence for programs.
  returned: when a drill was held
  type: str
page_file:
  description:
    - The evidence for people.
  returned: when a drill was held
  type: str
state_file:
  description:
    - What M(runbook.postgres.pg_health_facts) reads of the last drill.
  returned: when a drill was held
  type: str
backup:
  description:
    - The backup that was restored, with C(label), C(kind), C(repository), C(stopped) and C(bytes).
  returned: when a drill was held
  type: dict
logical:
  description:
    - Of each logical backup the C(database), the C(backup) with C(id) and C(bytes), C(rto_seconds), C(rpo_seconds),
      when it was C(taken), its C(checks), how long each step C(took), and as C(failure) why it went no further.
  returned: when a drill was held
  type: list
  elements: dict
checks:
  description:
    - What was asked, with C(name), C(passed) and C(told).
  returned: when a drill was held
  type: list
  elements: dict
steps:
  description:
    - Each step, taken or, in check mode, foreseen.
  returned: always
  type: list
  elements: str
followed_timeline:
  description:
    - The timeline along which it was replayed; null where it did not get there, and of logical backups alone.
  returned: when a drill was held
  type: int
named_timeline:
  description:
    - The one that O(timeline) named, null where the archive's latest was followed.
  returned: when a drill was held
  type: int
objectives:
  description:
    - What the cluster's figures were compared with, C(rto_seconds) and C(rpo_seconds).
  returned: when a drill was held
  type: dict
untried:
  description:
    - Copies of which the drill says nothing, each in a sentence. A backup that came from a disk of the scratch host
      does not show that the one offsite can be restored.
  returned: when a drill was held
  type: list
  elements: str
read_at:
  description:
    - When the archive had been read to its end; null where it did not get there.
  returned: when a drill was held
  type: str
took:
  description:
    - How long each took.
  returned: when a drill was held
  type: dict
"""

from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.rehearsing import Rehearsed
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.drill import drilled

CHECK = {
    "name": {"type": "str"},
    "database": {"type": "str", "default": "postgres"},
    "query": {"type": "str", "required": True},
}
HEARTBEAT = {"database": {"type": "str", "required": True}, "query": {"type": "str", "required": True}}
LOGICAL = {
    "repository": {"type": "path"},
    "offsite": {"type": "str"},
    "database": {"type": "str"},
    "identity": {"type": "path"},
    "jobs": {"type": "int", "default": 1},
    "checks": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"name": {"type": "str"}, "query": {"type": "str", "required": True}},
    },
    "rto_minutes": {"type": "float"},
    "rpo_minutes": {"type": "float", "default": 1560},
}
OPTIONS = {
    "stanza": {"type": "str"},
    "cluster": {"type": "str"},
    "logical": {"type": "list", "elements": "dict", "default": [], "options": LOGICAL},
    "config": {"type": "path"},
    "repository": {"type": "int"},
    "timeline": {"type": "int"},
    "system_identifier": {"type": "str"},
    "version": {"type": "int", "required": True},
    "directory": {"type": "path", "default": "/var/lib/postgresql/drill"},
    "tablespace_map": {"type": "dict", "default": {}},
    "settings": {"type": "dict", "default": {}},
    "production_machine_ids": {"type": "list", "elements": "str", "default": []},
    "heartbeat": {"type": "dict", "options": HEARTBEAT},
    "checks": {"type": "list", "elements": "dict", "default": [], "options": CHECK},
    "rto_minutes": {"type": "float", "default": 30},
    "rpo_minutes": {"type": "float", "default": 15},
    "evidence_directory": {"type": "path", "default": "/var/lib/runbook-postgres/drills"},
    "timeout": {"type": "int", "default": 86400},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        drilled(module, Rehearsed)


if __name__ == "__main__":
    main()
