# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Let old rows of plain tables go."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_row_expiry
short_description: Let old rows of plain tables go, in batches, archived first
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that a plain table holds no rows older than its retention. Rows that are older leave in batches, each in
    one short transaction.
  - With O(tables[].on_expiry=archive) a batch is locked, written to a file, read back and compared, and only then
    deleted, in the same transaction, which is committed only if as many rows were deleted as were locked and written.
    What is in the file is what was deleted, whatever happens to the table meanwhile.
  - Nobody is kept waiting. Rows that somebody else has locked are left for later, other rows are not touched, and
    between batches nothing is held. O(max_replica_lag) makes it wait for standbys, O(batch_pause) and O(max_seconds)
    keep it from taking more of the server than it should.
  - A run may be killed at any moment. The manifest of a file names the transaction that deletes its rows, so that
    the next run asks the server what became of it. It confirms the file, or removes it because its rows are still in
    the table. No row is lost, and none is archived twice.
  - For tables that are partitioned use M(runbook.postgres.pg_partition), which lets whole partitions go.
extends_documentation_fragment:
  - runbook.postgres.connection
options:
  tables:
    description:
      - The tables to look after, in the database O(login_db). Every table is looked at before the first one is
        changed, so that a refusal comes before any change.
    type: list
    elements: dict
    required: true
    suboptions:
      table:
        description:
          - Name of the table, with its schema where that is not in the search path. Quotes are needed where SQL needs
            them. Rows of tables that inherit from it stay.
        type: str
        required: true
      column:
        description:
          - The column that tells a row's age, by its name without quotes. A date, a timestamp with or without time
            zone, or a whole number. Rows where it is null stay.
        type: str
        required: true
      retention:
        description:
          - How old rows get, such as V(90 days) or V(6 months), by the server's clock to the minute.
          - For whole numbers the first value that stays.
        type: str
        required: true
      timezone:
        description:
          - By which clock days and months are counted back, and which clock columns without a time zone show.
        type: str
        default: UTC
      on_expiry:
        description:
          - What happens to rows past their O(tables[].retention). There is no default, it is for you to say.
          - V(archive) writes them to files before they are deleted. V(drop) deletes them.
        type: str
        choices: [archive, drop]
        required: true
      archive:
        description:
          - Where rows go before they are deleted. Needed with O(tables[].on_expiry=archive).
          - Each batch is a file of its own, with the time of the run and a number in its name, so that no name is
            given twice. Beside it is a manifest, named after it with C(.manifest.json) added, that tells rows,
            hashes, columns, the statements that make such a table and the one that reads the rows back.
        type: dict
        suboptions:
          destination:
            description:
              - Directory on the managed host. One that is not there is made, for its owner only; files are for
                their owner only as well.
              - Files may be moved away when their manifests say C(deleted). Leave one that says C(pending) to the next
                run, which looks for it here.
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
              - Public keys for which files are encrypted by the program C(age), which has to be installed on the
                managed host. Rows are encrypted on their way, nothing plain is written to a disk.
              - Without a secret key an encrypted file cannot be read as rows again. It is verified by the file's hash,
                and the hash of its content is taken while it is written.
              - They are hidden in logs, because a secret key given by mistake has to be.
            type: list
            elements: str
            default: []
          offsite:
            description:
              - Where each file is copied before its rows are deleted, as C(rclone) names it, for example
                V(vault:postgres/audit), or a directory. The remote is one that rclone's own configuration file
                names; rclone has to be installed on the managed host. The manifest follows when they are deleted.
              - The copy is compared by a hash that the far end takes of it, or is read back where it takes none.
              - The batch's rows stay locked while its file is copied.
            type: str
      where:
        description:
          - A condition in SQL that rows have to meet besides their age, over the table's columns, such as
            C(status = 'done'). It is run as given with the rights of O(login_user), so it has to come from somebody
            who may write to the table. It must be one condition without a semicolon.
        type: str
      batch_rows:
        description:
          - How many rows leave in one transaction and make one file.
        type: int
        default: 10000
      require_index:
        description:
          - Whether a table without an index that begins with O(tables[].column) is refused. Without one each batch
            reads the whole table.
        type: bool
        default: true
      allow_references:
        description:
          - Whether rows may leave to which foreign keys refer. Depending on the key, rows of other tables are
            deleted or changed with them, and those are not archived, or the batch fails.
        type: bool
        default: false
  batch_pause:
    description:
      - Seconds to wait after each batch.
    type: float
    default: 0
  max_seconds:
    description:
      - After so many seconds no further batch is begun; the next run goes on. That is no failure, see
        RV(tables[].finished).
    type: float
  max_replica_lag:
    description:
      - How far anything that receives the server's WAL may be behind for the next batch to begin, in bytes such as
        V(64 MB) or as a time such as V(10 s). Standbys that are not connected are not waited for.
      - The role needs to be a member of C(pg_monitor) for this.
    type: str
  lag_patience:
    description:
      - Seconds to wait for standbys before the run is given up; what has left until then has left.
    type: float
    default: 600
  lock_timeout:
    description:
      - Seconds after which the lock on a table is given up, so that nobody queues behind it for longer. It is one
        that reads and writes do not conflict with.
    type: float
    default: 2
  retries:
    description:
      - How often a batch that did not get its lock is tried again, after pauses that grow to ten seconds.
    type: int
    default: 8
attributes:
  check_mode:
    description: Says what would leave and which files would be written; the session is read-only.
    support: full
  diff_mode:
    description: Shows how many rows are past their time, and their files.
    support: full
notes:
  - Triggers for DELETE fire, once for each row or batch.
  - Rows come back by the statement in the manifest, see the guide on row expiry.
  - After a failover that lost commits, or a restore to an earlier time, rows are in the table again that are in
    files as well. They are archived once more when their time comes.
seealso:
  - module: runbook.postgres.pg_partition
"""

EXAMPLES = r"""
- name: Half a year of the audit log, the rest in encrypted files
  runbook.postgres.pg_row_expiry:
    login_db: agents
    max_replica_lag: 64 MB
    max_seconds: 3600
    tables:
      - table: audit_log
        column: created_at
        retention: 6 months
        on_expiry: archive
        archive:
          destination: /srv/archive/audit_log
          compression: zstd
          recipients: "{{ audit_archive_keys }}"
          offsite: vault:postgres/audit_log
  become: true
  become_user: postgres

- name: What was delivered from the outbox need not be kept
  runbook.postgres.pg_row_expiry:
    login_db: agents
    tables:
      - table: outbox
        column: sent_on
        retention: 14 days
        timezone: Europe/Berlin
        where: state = 'delivered'
        on_expiry: drop
        batch_rows: 5000
    batch_pause: 0.2
  become: true
  become_user: postgres
"""

RETURN = r"""
tables:
  description:
    - What left each table, or in check mode would.
  returned: always
  type: list
  elements: dict
  contains:
    table:
      description:
        - The table with its schema.
      type: str
      returned: always
      sample: public.audit_log
    cutoff:
      description:
        - The first value of O(tables[].column) that stays.
      type: str
      returned: always
      sample: "2026-05-21 03:25:00+00"
    due_rows:
      description:
        - How many rows were past their time when it was looked.
      type: int
      returned: always
    due_exact:
      description:
        - Whether they were counted. Beyond a million it is the planner's estimate.
      type: bool
      returned: always
    rows:
      description:
        - How many rows left.
      type: int
      returned: always
    batches:
      description:
        - In how many transactions.
      type: int
      returned: always
    files:
      description:
        - The files written, empty with O(tables[].on_expiry=drop). In check mode the first thousand of those to be
          written, with all but their names null, and in the names the time of the check.
      type: list
      elements: dict
      returned: always
      contains:
        file:
          description:
            - The file on the managed host. Its manifest is beside it, with C(.manifest.json) added to the name.
          type: str
          returned: always
        rows:
          description:
            - How many rows it holds.
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
    settled:
      description:
        - What was done about a file that an interrupted run left.
      type: list
      elements: str
      returned: always
    finished:
      description:
        - Whether no row was left that is past its time. False when O(max_seconds) were over, when rows were in
          use by others, or after a failure.
      type: bool
      returned: always
    seconds:
      description:
        - How long the table took; null in check mode, as are the next two.
      type: float
      returned: always
    longest_lock_wait_seconds:
      description:
        - The longest that was waited for the lock on the table.
      type: float
      returned: always
    waited_for_replicas_seconds:
      description:
        - How long standbys were waited for.
      type: float
      returned: always
    warnings:
      description:
        - What is to be known about the table.
      type: list
      elements: str
      returned: always
    failure:
      description:
        - Why the table was not finished, else null. The batches told are gone all the same.
      type: str
      returned: always
waited_for:
  description:
    - Names of the standbys that were waited for.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.runbook.postgres.plugins.module_utils._connection import CONNECTION_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.lag import Throttle
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.outcome import failures, result
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.prepare import prepare
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.request import (
    EXPIRY_OPTIONS,
    manner,
    wishes,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.run import Run

OPTIONS = {**CONNECTION_OPTIONS, **EXPIRY_OPTIONS}

# Values are read and written in one zone; a filtered answer about what a table holds would be a wrong one.
SETTINGS = {"TimeZone": "UTC", "DateStyle": "ISO", "row_security": "off"}


def main() -> None:
    with Module(OPTIONS) as module:
        wanted, how = wishes(module.params), manner(module.params)
        with module.session({**SETTINGS, "lock_timeout": how.milliseconds}) as session:
            throttle = Throttle(session, how.limit, how.lag_patience)
            jobs = prepare(session, wanted, throttle, alone=not module.check_mode)
            if not module.check_mode:
                Run(session, how, throttle, module.copy_connection).carry_out(jobs)
            module.report(**result(jobs), waited_for=throttle.waited_for)
            failure = failures(jobs)
            if failure is not None:
                raise Problem(failure)


if __name__ == "__main__":
    main()
