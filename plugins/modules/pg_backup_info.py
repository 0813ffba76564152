# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which backups there are, and what is wrong with each."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_backup_info
short_description: Which backups there are, how far each is proven, and what is wrong with it
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - Lists backups, each by the same keys however it was taken, with when it was taken, what it can restore, what it
    takes, where copies of it are, how it was last verified, and what is wrong with it.
  - Needs no server. Sizes are compared always, contents with O(checksum).
options:
  destination:
    description:
      - Directory on the managed host to which M(runbook.postgres.pg_backup) writes. One that is not there holds none.
    type: path
  stanza:
    description:
      - Physical backups of this cluster, by what it is called in pgBackRest's repositories. Asked on the repository
        host, or on any server of the cluster where there is none.
    type: str
  repository:
    description:
      - The number of the only repository that is asked for O(stanza). Without it each is that the host's pgBackRest
        knows, and RV(backups[].place) tells which one a backup is in.
    type: int
  database:
    description:
      - Only backups of this database.
    type: str
  checksum:
    description:
      - Whether every file is read and compared with what was written. Nothing of that is kept, which is what
        O(runbook.postgres.pg_backup#module:state=verified) is for.
    type: bool
    default: false
attributes:
  check_mode:
    description: Only reads, in check mode as well.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
seealso:
  - module: runbook.postgres.pg_backup
"""

EXAMPLES = r"""
- name: Look at the backups
  runbook.postgres.pg_backup_info:
    destination: /var/lib/postgresql/backups
    database: orders
  become: true
  become_user: postgres
  register: backups

- name: Look at the physical ones
  runbook.postgres.pg_backup_info:
    stanza: orders
  become: true

- name: See how far the restore is that another job has begun
  runbook.postgres.pg_backup_info:
    destination: /var/lib/postgresql/backups
  become: true
  become_user: postgres
  register: now

- name: Tell it
  ansible.builtin.debug:
    msg: "{{ now.running | map('string') | list }}"

- name: There is one of today without a problem
  ansible.builtin.assert:
    that: >-
      backups.backups | rejectattr('problems') | selectattr('started', '>=', now(utc=true).strftime('%Y-%m-%d'))
      | list | length > 0
"""

RETURN = r"""
backups:
  description:
    - The newest first.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Its name.
      type: str
      returned: always
    method:
      description: V(logical) or V(physical).
      type: str
      returned: always
    kind:
      description: What it holds, V(all), V(schema) or V(data); of a physical one V(full), V(diff) or V(incr).
      type: str
      returned: always
    database:
      description: Of which database, null for one of a whole cluster.
      type: str
      returned: always
    tables:
      description: Of which tables, empty for all.
      type: list
      elements: str
      returned: always
    label:
      description: The word it was given.
      type: str
      returned: always
    system_identifier:
      description: Of which cluster, null where the role that took it could not know.
      type: str
      returned: always
    number:
      description: Counts up, also when clocks are set back.
      type: int
      returned: always
    started:
      description: When it was begun, in UTC, and what a logical one holds was true.
      type: str
      returned: always
    stopped:
      description: When it was through.
      type: str
      returned: always
    bytes:
      description: How large the database was.
      type: int
      returned: always
    stored_bytes:
      description: What its files take.
      type: int
      returned: always
    place:
      description: Where it is.
      type: str
      returned: always
    lsn_start:
      description: The first position in the WAL that it needs.
      type: str
      returned: always
    lsn_stop:
      description: The last one that it needs, for a logical one the same.
      type: str
      returned: always
    timeline:
      description: Of the server's WAL.
      type: int
      returned: always
    restorable_from:
      description: The earliest moment that it can bring back.
      type: str
      returned: always
    restorable_to:
      description: The latest one, for a logical one the same.
      type: str
      returned: always
    server_version:
      description: Of the server that it is from.
      type: str
      returned: always
    depends_on:
      description: Ids of the backups without which it is worth nothing.
      type: list
      elements: str
      returned: always
    copies:
      description: Where else it is, with how and when that was compared.
      type: list
      elements: dict
      returned: always
    encrypted:
      description: Whether a secret key is needed to read it.
      type: bool
      returned: always
    verified:
      description: The strongest proof that held and when, or null.
      type: dict
      returned: always
    problems:
      description: What is wrong with it, a sentence each.
      type: list
      elements: str
      returned: always
broken:
  description:
    - What has a backup's name and cannot be believed, and why.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: Its directory.
      type: str
      returned: always
    problem:
      description: A sentence.
      type: str
      returned: always
running:
  description:
    - What is under way, as it says of itself once in a second, backups, verifications, restores, recoveries and drills.
    - Those with O(destination) say so there, those with O(stanza) on the host that they run on. A physical backup that
      is not of M(runbook.postgres.pg_backup) is told by pgBackRest on the host that it runs on, with what its version
      tells; nothing is made up for the rest.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Of the backup; null for a physical one that is being taken, which has its name at the end.
      type: str
      returned: always
    work:
      description: V(backup), V(verification), V(fetch), V(restore), V(recovery) or V(drill).
      type: str
      returned: always
    method:
      description: V(logical) or V(physical).
      type: str
      returned: always
    kind:
      description: As that of a backup; null where nobody tells.
      type: str
      returned: always
    database:
      description: Whose backup it is.
      type: str
      returned: of a logical one
    stanza:
      description: Whose backup it is.
      type: str
      returned: of a physical one
    repository:
      description: Where a backup that is being taken goes.
      type: int
      returned: of a physical backup by M(runbook.postgres.pg_backup)
    instance:
      description: What is recovered.
      type: str
      returned: of a recovery
    target:
      description: The database that is restored, or the point that is recovered to.
      type: str
      returned: of a restore and a recovery
    phase:
      description:
        - What is being done, such as V(count), V(dump), V(checksum), V(backup), V(fetch), V(restore), V(replay),
          V(define), V(load), V(indexes), V(analyze), V(check) or V(prove).
        - Null where something has pgBackRest's lock and it does not say what.
      type: str
      returned: always
    percent:
      description:
        - How much of the phase is done; null where that is not known. It is 100 never, since it is not over.
        - A dump is measured by the bytes of its tables, a physical backup or restore by those of its files, a load by
          the size that the database had when it was backed up, or by rows where single tables are restored whose rows
          the backup has counted, and a replay by positions, or by time where that is the target.
      type: float
      returned: always
    bytes:
      description: Done in this phase; null where that is not known.
      type: int
      returned: always
    bytes_per_second:
      description: Since the phase began.
      type: int
      returned: always
    seconds_left:
      description: Of the phase at that rate.
      type: int
      returned: always
    seconds:
      description: Since the run began.
      type: float
      returned: always
    updated:
      description: When it said so, in UTC. A phase without a measure may say so once.
      type: str
      returned: always
    process:
      description: The run's own on its host.
      type: int
      returned: always
  sample:
    - id: orders-all-20260901T020004Z-0a1b2c
      work: backup
      method: logical
      kind: all
      database: orders
      phase: dump
      percent: 41.5
      bytes: 8912773120
      bytes_per_second: 93800000
      seconds_left: 134
      seconds: 95.1
      updated: "2026-09-01T02:01:39Z"
      process: 4711
"""

from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup import listing
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.listing import physical
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module

OPTIONS = {
    "destination": {"type": "path"},
    "stanza": {"type": "str"},
    "repository": {"type": "int"},
    "database": {"type": "str"},
    "checksum": {"type": "bool", "default": False},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        params = module.params
        if not params["destination"] and not params["stanza"]:
            raise Refused("destination and stanza are missing: name the directory that holds backups, or the stanza.")
        found = listing.Listing()
        if params["destination"]:
            found = listing.logical(Path(params["destination"]), checksum=params["checksum"])
        if params["stanza"]:
            found = listing.joined(found, physical(params["stanza"], params["repository"]))
        module.report(**listing.told(found, params["database"]))


if __name__ == "__main__":
    main()
