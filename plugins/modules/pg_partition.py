# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Look after the partitions of tables."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_partition
short_description: Keep partitions ahead of time, and let them go when their time is over
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States which partitions a range-partitioned table should have at any moment. What is missing is made, gaps
    are filled, and what is past its time is detached, archived or dropped.
  - Existing partitions are recognised by their bounds, whatever their names. Bounds that do not fit the interval
    are respected and reported.
  - Nobody is kept waiting. A partition is made beside its table and attached when complete, which lets reads and
    writes go on; it leaves concurrently where the server can (from version 14, without a default partition). A
    lock that is not had within O(lock_timeout) is given up and tried again later.
  - Every table is looked at before the first one is changed, so that a refusal comes before any change.
  - A table that is not partitioned can be made so without taking it from its users, see O(tables[].convert).
extends_documentation_fragment:
  - runbook.postgres.connection
options:
  tables:
    description:
      - The tables to look after, in the database O(login_db).
    type: list
    elements: dict
    required: true
    suboptions:
      table:
        description:
          - Name of the partitioned table, with its schema where that is not in the search path. Quotes are needed
            where SQL needs them.
        type: str
        required: true
      interval:
        description:
          - How much a partition holds. V(hour), V(day), V(week), V(month), V(quarter), V(year), a number of those
            such as V(3 months), or for whole numbers how many.
        type: str
        required: true
      ahead:
        description:
          - How many partitions there are beyond the one that holds now.
          - For keys that are whole numbers, now is the highest one stored.
        type: int
        default: 4
      behind:
        description:
          - How many partitions there are before the one that holds now.
        type: int
        default: 0
      start:
        description:
          - No partition is made that begins earlier. A date or time as the clock of O(tables[].timezone) shows it, or
            a whole number.
        type: str
      timezone:
        description:
          - Where days and months begin, for keys of type timestamptz.
        type: str
        default: UTC
      retention:
        description:
          - What is kept of the partitions that have ended, either an age such as V(12 months), or a count such as
            V(24 partitions).
          - The partition that holds now never leaves, and neither does the last one.
        type: str
      on_expiry:
        description:
          - What happens to partitions past their O(tables[].retention). There is no default, it is for you to say.
          - V(detach) makes them plain tables. V(drop) detaches and then drops them.
          - V(archive) detaches them, writes their rows to a file as O(tables[].archive) says, reads the file back,
            and drops a partition only while it holds exactly what its archive does.
        type: str
        choices: [detach, archive, drop]
      archive:
        description:
          - Where the rows of partitions go before they are dropped. Needed with O(tables[].on_expiry=archive).
          - Each archive is a file with a manifest beside it, named after it with C(.manifest.json) added, that
            tells rows, hashes, bounds, columns and the statements that make the table again.
          - A file bears its name once it is whole and was read back. An interrupted run leaves the partition
            detached, with a comment that says what is to become of it, and the next run goes on from there.
          - M(runbook.postgres.pg_partition_restore) makes a partition of it again.
        type: dict
        suboptions:
          destination:
            description:
              - Directory on the managed host. One that is not there is made, for its owner only; files are for
                their owner only as well.
              - It must have room for the largest partition of a run, and without compression for all of them.
            type: path
            required: true
          format:
            description:
              - V(csv) is read by nearly everything; a value that is null is written as C(\N) without quotes.
              - V(binary) is PostgreSQL's own, and wants the same types when it is read.
            type: str
            choices: [csv, binary]
            default: csv
          compression:
            description:
              - V(zstd) needs the program of that name on the managed host; V(gzip) needs nothing.
            type: str
            choices: [none, gzip, zstd]
            default: gzip
          recipients:
            description:
              - Public keys for which archives are encrypted by the program C(age), which has to be installed on the
                managed host. Rows are encrypted on their way, nothing plain is written to a disk.
              - Without a secret key an encrypted file cannot be read as rows again. It is verified by the file's hash,
                and the hash of its content is taken while it is written.
              - They are hidden in logs, because a secret key given by mistake has to be.
            type: list
            elements: str
            default: []
          offsite:
            description:
              - Where each archive and its manifest are copied before the partition is dropped, as C(rclone) names
                it, for example V(vault:postgres/orders), or a directory. The remote is one that rclone's own
                configuration file names; rclone has to be installed on the managed host.
              - The copy is compared by a hash that the far end takes of it, or is read back where it takes none.
            type: str
      name_template:
        description:
          - How new partitions are called, from the fields C({table}), C({year}), C({month}), C({day}), C({hour}),
            C({minute}), C({lower}) and C({upper}). The default tells the interval's periods apart.
          - A table's name is shortened where the whole would be longer than 63 bytes, and a few letters are added
            where a name is taken.
        type: str
      tablespace:
        description:
          - Where new partitions are stored; where their table's are by default.
        type: str
      default_partition:
        description:
          - Whether the table has a default partition, which takes the rows that no other one does.
          - V(present) makes one where there is none. V(absent) drops it if it is empty, and refuses otherwise.
            V(ignore) leaves things as they are.
          - Without one, rows outside of all periods are refused by the server, which somebody notices. With one they
            pile up unnoticed, partitions cannot be detached concurrently, and attaching one reads it all.
          - Where it is larger than 64 MB and the period is still to come, it is read beforehand, without a lock that
            others would wait for. Meanwhile a check constraint C(runbook_postgres_excluded) keeps rows of that period
            out of it; an interrupted run leaves it there, and the next one removes it.
        type: str
        choices: [absent, present, ignore]
        default: ignore
      drain_default:
        description:
          - Whether rows in the default partition that belong to a period that is to be made are moved there. Without
            this a table with such rows is refused.
          - They move in batches of O(drain_batch). Each batch is one transaction, in which the new partition is
            attached for as far as the rows moved reach, so that every row has one home at any moment; until it
            commits, others wait. Between batches they do not.
          - The key should have an index, as each batch looks for its rows.
          - Refused where a foreign key refers to the table or a publication holds it, as deleting and inserting is
            not what happened to those rows. Triggers of the default partition do not fire for rows that move.
        type: bool
        default: false
      convert:
        description:
          - What becomes of a table that is not partitioned. Without this it is refused. For a table that is
            partitioned there is nothing to convert, so that the option may stay where it is.
          - With V(attach) a new partitioned table takes its name, and the old one becomes a partition of it that
            reaches from the beginning to O(tables[].convert_until). No row moves. Beforehand it is proved, while
            others go on, that no row lies beyond; until the change is made rows beyond are refused.
          - With V(copy) the rows are copied into partitions of the interval while writes go on, in batches of
            O(drain_batch). A trigger notes the key of each row that changes, and the copy is brought up to date for
            those. When it is, and every row was compared, it takes the table's name. The old table is kept as
            O(tables[].convert_kept_as) and never dropped. It takes the same room on disk again, and needs a
            primary key, or a unique index over columns that are not null.
          - The change itself is one transaction that waits for the table as long as O(lock_timeout), or for half of
            the server's C(deadlock_timeout) where foreign keys make it wait for several tables, and is tried again.
          - Columns with defaults, identities and serial columns that go on counting, keys, indexes, checks, foreign
            keys both ways, triggers, comments, statistics objects and targets, owner, grants, row-level security,
            replica identity and publications are the new table's then. Storage settings are the partitions'.
          - What cannot come along is refused by name before anything is begun, above all views and functions that
            depend on the table, for they would go on with the old one. So are tables with rows whose key is null or
            infinite, that a subscription feeds, or that are published without C(publish_via_partition_root).
          - An interrupted run is gone on with by the next one that asks for the same; what is of no use is removed.
            Foreign keys are proved, and the table is analyzed, after the change.
        type: str
        choices: [attach, copy]
      convert_column:
        description:
          - The column to partition by, as the catalog spells it and without quotes. Needed with O(tables[].convert).
        type: str
      convert_keys:
        description:
          - What becomes of primary keys and unique indexes without that column. PostgreSQL keeps uniqueness within
            partitions only, so that a key of the whole table has to hold the column.
          - V(refuse) names them and changes nothing. V(widen) adds the column at their end. Then the old columns by
            themselves are no longer kept unique, which is for you to know of.
        type: str
        choices: [refuse, widen]
        default: refuse
      convert_until:
        description:
          - Where the partition ends that the old table becomes with O(tables[].convert=attach), as the clock of
            O(tables[].timezone) shows it, or a whole number. The default is the end of the period after the one that
            holds the later of now and the highest key.
        type: str
      convert_kept_as:
        description:
          - What the old table is called afterwards, as a partition or kept beside a copy. By default its name with
            C(_before) at the end, shortened where needed.
        type: str
  lock_timeout:
    description:
      - Seconds after which a lock that is not had is given up, so that nobody queues behind it for longer.
    type: float
    default: 2
  retries:
    description:
      - How often a step that did not get its lock is tried again, after pauses that grow to ten seconds.
    type: int
    default: 8
  drain_batch:
    description:
      - How many rows of a default partition move in one transaction, or are copied with O(tables[].convert=copy).
    type: int
    default: 10000
attributes:
  check_mode:
    description: Says what would be made, detached and dropped; the session is read-only.
    support: full
  diff_mode:
    description: Shows all partitions with their bounds and, as far as vacuum or analyze have been there, their sizes.
    support: full
seealso:
  - module: runbook.postgres.pg_partition_restore
  - module: runbook.postgres.pg_health_facts
"""

EXAMPLES = r"""
- name: Six months of events ahead, two years kept
  runbook.postgres.pg_partition:
    login_db: disasters
    tables:
      - table: events
        interval: month
        ahead: 6
        retention: 24 months
        on_expiry: detach
  become: true
  become_user: postgres

- name: Several tables at once, one of them by local days, one by number
  runbook.postgres.pg_partition:
    login_db: shop
    tables:
      - table: sales.orders
        interval: day
        timezone: Europe/Berlin
        ahead: 14
        retention: 90 partitions
        on_expiry: drop
      - table: audit_log
        interval: "10000000"
        ahead: 2

- name: Keep a year at hand and the rest in encrypted files, here and elsewhere
  runbook.postgres.pg_partition:
    login_db: disasters
    tables:
      - table: events
        interval: month
        retention: 12 months
        on_expiry: archive
        archive:
          destination: /srv/archive/events
          compression: zstd
          recipients: "{{ events_archive_keys }}"
          offsite: vault:postgres/events
  become: true
  become_user: postgres

- name: Make a plain table one of months, the old one its first partition
  runbook.postgres.pg_partition:
    login_db: shop
    tables:
      - table: orders
        interval: month
        convert: attach
        convert_column: placed_at
        # The primary key (id) becomes (id, placed_at).
        convert_keys: widen
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
    converted:
      description:
        - How the table was made a partitioned one, or null where it was one.
      type: dict
      returned: always
      contains:
        how:
          description:
            - As O(tables[].convert) said.
          type: str
          returned: always
        kept_as:
          description:
            - What the old table is called now.
          type: str
          returned: always
          sample: events_before
        widened:
          description:
            - Keys that hold the column now and did not before.
          type: list
          elements: str
          returned: always
        rows:
          description:
            - How many rows were compared in the copy and found alike; null with V(attach) and in check mode.
          type: int
          returned: always
    created:
      description:
        - Names of the partitions made.
      type: list
      elements: str
      returned: always
      sample: [events_p2026_12]
    moved_rows:
      description:
        - How many rows of the default partition moved to their partitions.
      type: int
      returned: always
    archives:
      description:
        - The archives of partitions that left, those found whole from an interrupted run included.
      type: list
      elements: dict
      returned: always
      contains:
        partition:
          description:
            - The partition's name.
          type: str
          returned: always
        file:
          description:
            - The file on the managed host. Its manifest is beside it, with C(.manifest.json) added to the name.
          type: str
          returned: always
        table_bytes:
          description:
            - What the table took on disk. The rest is null in check mode.
          type: int
          returned: always
        rows:
          description:
            - How many rows the archive holds.
          type: int
          returned: always
        bytes:
          description:
            - How long its plain content is.
          type: int
          returned: always
        sha256:
          description:
            - Hash of the plain content.
          type: str
          returned: always
        file_bytes:
          description:
            - How long the file is.
          type: int
          returned: always
        file_sha256:
          description:
            - Hash of the file.
          type: str
          returned: always
        verified:
          description:
            - V(content) when the content was read back, V(file) when only the encrypted file could be.
          type: str
          returned: always
        offsite:
          description:
            - Where the copy is and how it was compared, or null without O(tables[].archive.offsite).
          type: str
          returned: always
    detached:
      description:
        - Names of the partitions detached, including those that somebody else began to detach.
      type: list
      elements: str
      returned: always
    dropped:
      description:
        - Names of the partitions dropped.
      type: list
      elements: str
      returned: always
    steps:
      description:
        - Each step taken, with C(step), C(seconds) and C(attempts); empty in check mode.
      type: list
      elements: dict
      returned: always
    longest_attempt_seconds:
      description:
        - The longest that one attempt at a step took, waiting for its locks included; null in check mode and
          where nothing was to be done. Of a conversion it is that of the change itself.
      type: float
      returned: always
    warnings:
      description:
        - What is odd about the table's partitions.
      type: list
      elements: str
      returned: always
    failure:
      description:
        - Why the table was not finished, else null. The steps listed are done all the same.
      type: str
      returned: always
"""

from ansible_collections.runbook.postgres.plugins.module_utils._connection import CONNECTION_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._partition.maintain import prepare
from ansible_collections.runbook.postgres.plugins.module_utils._partition.outcome import failures, result
from ansible_collections.runbook.postgres.plugins.module_utils._partition.request import (
    PARTITION_OPTIONS,
    manner,
    wishes,
)

OPTIONS = {**CONNECTION_OPTIONS, **PARTITION_OPTIONS}

# Bounds are read and written in one zone; a filtered answer about what a table holds would be a wrong one.
# Compiling a question to the catalog takes longer than answering it, and some are asked under a lock.
SETTINGS = {"TimeZone": "UTC", "DateStyle": "ISO", "row_security": "off", "jit": "off"}


def main() -> None:
    with Module(OPTIONS) as module:
        wanted, how = wishes(module.params), manner(module.params)
        with module.session({**SETTINGS, "lock_timeout": how.milliseconds}) as session:
            jobs = prepare(session, wanted, alone=not module.check_mode)
            if not module.check_mode and any(job.planned for job in jobs):
                # Compiling this takes longer than seeing that there is nothing to do, which is most runs' answer.
                from ansible_collections.runbook.postgres.plugins.module_utils._partition.work import (  # noqa: PLC0415
                    work,
                )

                work(session, jobs, how, module.copy_connection)
            module.report(**result(jobs))
            failure = failures(jobs)
            if failure is not None:
                raise Problem(failure)


if __name__ == "__main__":
    main()
