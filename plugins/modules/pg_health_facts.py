# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tell how a PostgreSQL server is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_health_facts
short_description: Examine a PostgreSQL server and say what needs attention
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - One call answers what a morning check, a five-minute probe and an incident desk ask of a server, judges it
    against thresholds, and says for each finding what to do.
  - Nothing is ever written. Each question stands alone, so one that fails for want of a privilege, an extension
    or time is listed under C(unavailable) and costs nothing else. No lock stronger than ACCESS SHARE is taken,
    none is waited for longer than half a second, and no question reads a table's rows.
  - A member of C(pg_monitor) sees nearly everything; what else to grant is said where something is missing.
  - Quoted literals in other sessions' queries are shown as C('...'), since they hold passwords and personal data.
extends_documentation_fragment:
  - runbook.postgres.connection
options:
  gather_subset:
    description:
      - What to look at. V(all) and names add, names after V(!) leave out; only exclusions mean everything else.
      - What is named stays beside V(!all), as in C(ansible.builtin.setup).
      - The names are V(server), V(sessions), V(databases), V(replication), V(wal), V(storage), V(backups), V(tables),
        V(partitions), V(indexes), V(bloat), V(sequences), V(statements), V(progress), V(pgbouncer),
        V(patroni) and V(custom).
    type: list
    elements: str
    default: [all]
  databases:
    description:
      - Databases whose tables, indexes and sequences are looked at.
      - Empty means every database that is no template and that the role may connect to.
    type: list
    elements: str
    default: []
  thresholds:
    description:
      - For each check to change, a dictionary with any of C(info), C(warning), C(critical) and C(floor); what is
        not given keeps its default, null switches a level off.
      - A value strictly beyond a level is a finding. C(floor) keeps what is small from being judged.
      - The page on checks in the collection's documentation lists them with their defaults and what they need;
        a wrong name is refused with the valid ones.
    type: dict
    default: {}
  ignore:
    description:
      - Findings that are known and accepted. They are left out of C(findings) and do not change C(status).
    type: list
    elements: dict
    default: []
    suboptions:
      check:
        description:
          - Name of the check, C(*) and C(?) stand for any text and any character.
        type: str
        required: true
      object:
        description:
          - The finding's C(object), with the same wildcards. Tables, indexes and sequences are C(schema.name).
        type: str
        default: '*'
      database:
        description:
          - The finding's C(database), with the same wildcards.
        type: str
        default: '*'
  checks:
    description:
      - Questions of your own, each one SELECT in a read-only transaction.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name of the check in C(findings).
        type: str
        required: true
      query:
        description:
          - The first column is the value, a number or a boolean. A second column, if there is one, names the object,
            and each row is judged.
        type: str
        required: true
      database:
        description:
          - Database to ask; O(login_db) unless given.
        type: str
      worse:
        description:
          - Whether a value above or below the levels is worse.
        type: str
        choices: [above, below]
        default: above
      info:
        description:
          - Level of advice.
        type: float
      warning:
        description:
          - Level of a warning.
        type: float
      critical:
        description:
          - Level of a critical finding.
        type: float
      unit:
        description:
          - Unit of the value, shown in the finding.
        type: str
      sentence:
        description:
          - Sentence of the finding. Left out, it says the name and the value.
        type: str
      remedy:
        description:
          - What to do about it.
        type: str
  baseline:
    description:
      - What is normal for this server. Given, a sample of O(sample_seconds) is taken and compared with it.
    type: dict
    suboptions:
      transactions_per_second:
        description:
          - Transactions a second, committed and rolled back, of all databases.
        type: float
        required: true
  sample_seconds:
    description:
      - How long to count transactions where O(baseline) is given, at most half of O(timeout). Nothing else is asked
        meanwhile, so that the run takes that much longer. Servers publish their counters once a second at most, so
        that short samples are rough.
    type: float
    default: 5
  pgbouncer:
    description:
      - How to reach the admin console of the PgBouncer in front of the server, as one of its C(stats_users).
      - Left out, no pooler is asked.
    type: dict
    suboptions:
      login_host:
        description:
          - Host name or address of PgBouncer. Empty means its unix socket.
        type: str
        default: ''
      login_port:
        description:
          - Port of PgBouncer.
        type: int
        default: 6432
      login_user:
        description:
          - One of PgBouncer's C(stats_users) or C(admin_users).
        type: str
        required: true
      login_password:
        description:
          - Password of that user.
        type: str
      login_unix_socket:
        description:
          - Directory of PgBouncer's unix socket, used when the host is empty.
        type: str
        default: ''
      ssl_mode:
        description:
          - What is asked of TLS.
        type: str
        choices: [allow, disable, prefer, require, verify-ca, verify-full]
        default: prefer
      ca_cert:
        description:
          - File with the certificates of the authorities that may have signed PgBouncer's certificate.
        type: path
      ssl_cert:
        description:
          - File with the client's certificate.
        type: path
      ssl_key:
        description:
          - File with the client's private key.
        type: path
  expected_stanzas:
    description:
      - Clusters, as their stanza is called, of which there have to be physical backups. Of one that was never backed up
        nothing is written down anywhere, so that its absence is a finding only if it is expected.
    type: list
    elements: str
    default: []
  expected_dumps:
    description:
      - Databases of which there have to be dumps by M(runbook.postgres.pg_backup), and where. They are looked for on
        the server's host, by a user that may read them. What is of a whole database counts, whatever its label.
    type: list
    elements: dict
    default: []
    suboptions:
      directory:
        description:
          - The directory with dumps, O(runbook.postgres.pg_backup#module:destination) of the module that takes them.
        type: path
        required: true
      database:
        description:
          - The database.
        type: str
        required: true
      'on':
        description:
          - Which servers take them; on others nothing is expected.
        type: str
        choices: [primary, standby, any]
        default: primary
  patroni:
    description:
      - Where Patroni answers, if it keeps the server's cluster. To look takes no certificate and no password.
      - Left out, no Patroni is asked.
    type: dict
    suboptions:
      address:
        description:
          - Where its REST interface is, one that its certificate names.
        type: str
        required: true
      api_port:
        description:
          - Port of it.
        type: int
        default: 8008
      ca_cert:
        description:
          - File with the certificates of the authorities that may have signed Patroni's certificate.
        type: path
        default: /etc/ssl/postgres/ca.crt
  limit:
    description:
      - At most so many objects for each check and each list, the worst first.
    type: int
    default: 10
  query_timeout:
    description:
      - Seconds the server is given for each question.
    type: float
    default: 5
  connect_timeout:
    description:
      - Seconds to wait for a connection.
    type: float
    default: 5
  timeout:
    description:
      - Seconds for the whole run. What is not asked by then is listed as unavailable.
    type: float
    default: 30
  on_unreachable:
    description:
      - Whether a server that cannot be connected to, or that stops answering, fails the task or is reported with
        status V(down), so that the report on a fleet includes it.
    type: str
    choices: [fail, report]
    default: fail
attributes:
  check_mode:
    description: Runs the same in check mode; it never changes anything.
    support: full
  diff_mode:
    description: There is never a difference to show.
    support: none
"""

EXAMPLES = r"""
- name: See how the server is
  runbook.postgres.pg_health_facts:
  become: true
  become_user: postgres

- name: Stop a deployment while the server has troubles of its own
  ansible.builtin.assert:
    that: pg_health.status in ['ok', 'warning']
    fail_msg: >-
      {{ pg_health.findings | selectattr('severity', 'eq', 'critical') | map(attribute='message') | join(' ') }}

- name: Every five minutes, look at what changes within minutes, dead servers included
  runbook.postgres.pg_health_facts:
    login_host: "{{ inventory_hostname }}"
    login_user: monitoring
    login_password: "{{ vault_monitoring_password }}"
    ssl_mode: verify-full
    ca_cert: /etc/ssl/certs/internal-ca.pem
    gather_subset: [sessions, replication, wal, pgbouncer]
    pgbouncer:
      login_host: "{{ inventory_hostname }}"
      login_user: monitoring
      login_password: "{{ vault_monitoring_password }}"
    timeout: 10
    on_unreachable: report
  delegate_to: localhost

- name: Hold this team's own limits, and live with one index that is known
  runbook.postgres.pg_health_facts:
    thresholds:
      database_bytes: {warning: 5368709120, critical: 10737418240}
      slow_query_seconds: {warning: 30}
      cache_hit_percent: {warning: 90, critical: 80}
      hot_update_percent: {info: null}
    ignore:
      - check: unused_index_bytes
        object: public.orders_year_end_idx

- name: Ask what only this application can answer
  runbook.postgres.pg_health_facts:
    gather_subset: [custom]
    checks:
      - name: outbox_backlog
        database: shop
        query: SELECT count(*) FROM outbox WHERE sent_at IS NULL
        warning: 1000
        critical: 10000
        remedy: Restart the dispatcher.
      - name: events_in_the_last_hour
        database: shop
        query: SELECT count(*) FROM events WHERE at > now() - interval '1 hour'
        worse: below
        critical: 1
      - name: key_tables_exist
        database: shop
        query: >-
          SELECT to_regclass(name) IS NOT NULL, name FROM unnest(ARRAY['orders', 'payments']) AS name
        worse: below
        critical: 1
"""

RETURN = r"""
ansible_facts:
  description:
    - The only thing returned.
  returned: success
  type: dict
  contains:
    pg_health:
      description:
        - Everything seen and what it means.
      returned: success
      type: dict
      contains:
        status:
          description:
            - The gravest finding as one word, C(ok), C(warning) or C(critical); C(down) where the server could not
              be asked or stopped answering.
          returned: always
          type: str
          sample: warning
        server:
          description:
            - Who answered; empty when nobody did.
          returned: always
          type: dict
          contains:
            version:
              description:
                - Version as the server says it.
              returned: when the server answered
              type: str
              sample: 15.14 (Debian 15.14-0+deb12u1)
            version_num:
              description:
                - Version as a number.
              returned: when the server answered
              type: int
              sample: 150014
            role:
              description:
                - C(primary) or C(standby), asked of the server.
              returned: when the server answered
              type: str
              sample: primary
            timeline:
              description:
                - Timeline it writes or follows.
              returned: when the server answered
              type: int
              sample: 1
            system_identifier:
              description:
                - What all members of a replication cluster share.
              returned: when the server answered
              type: str
              sample: '7533480527171493921'
            cluster_name:
              description:
                - Setting cluster_name.
              returned: when the server answered
              type: str
              sample: 15/main
            data_checksums:
              description:
                - Whether pages carry checksums.
              returned: when the server answered
              type: bool
              sample: true
            uptime_seconds:
              description:
                - Time since the server started.
              returned: when the server answered
              type: float
              sample: 86400.5
            user:
              description:
                - Role that asked.
              returned: when the server answered
              type: str
              sample: monitoring
            autovacuum:
              description:
                - Whether autovacuum runs, which takes track_counts too.
              returned: when the server answered
              type: bool
              sample: true
            synchronous_standby_names:
              description:
                - Who must confirm a commit.
              returned: when the server answered
              type: str
              sample: ANY 1 (pg2, pg3)
            settings_pending_restart:
              description:
                - Changed settings that wait for a restart, null where that was not asked or is hidden from the role.
              returned: when the server answered
              type: list
              elements: str
        metrics:
          description:
            - Figures by subset and question. A question that was not asked, or not answered, is not there.
            - Rows seen in one database carry C(database) beside the keys named here.
          returned: always
          type: dict
          contains:
            server:
              description:
                - Configuration.
              returned: when asked for
              type: dict
              contains:
                configuration_errors:
                  description:
                    - Lines of the configuration files that cannot be applied.
                    - Keys are C(file), C(line), C(setting), C(error).
                  returned: when answered
                  type: list
                  elements: dict
                hba_errors:
                  description:
                    - Lines of pg_hba.conf that are not valid.
                    - Keys are C(line), C(error).
                  returned: when answered
                  type: list
                  elements: dict
                collation_mismatches:
                  description:
                    - Collations that indexes were built under in another version.
                    - Keys are C(collation), C(recorded_version), C(actual_version).
                  returned: when answered
                  type: list
                  elements: dict
            sessions:
              description:
                - Sessions and locks.
              returned: when asked for
              type: dict
              contains:
                session_totals:
                  description:
                    - How many client sessions there are and what they do.
                    - Keys are C(clients), C(active), C(idle), C(idle_in_transaction), C(waiting_for_lock),
                      C(max_connections), C(reserved_connections), C(used_percent), C(longest_query_seconds),
                      C(longest_transaction_seconds).
                  returned: when answered
                  type: dict
                active_queries:
                  description:
                    - Queries that run now, the longest first.
                    - Keys are C(pid), C(role), C(database), C(application), C(client), C(seconds), C(wait_event),
                      C(query).
                  returned: when answered
                  type: list
                  elements: dict
                idle_transactions:
                  description:
                    - Sessions idle in a transaction, the longest first.
                    - Keys are C(pid), C(role), C(database), C(application), C(client), C(seconds), C(wait_event),
                      C(query).
                  returned: when answered
                  type: list
                  elements: dict
                idle_sessions:
                  description:
                    - Idle sessions, the longest first.
                    - Keys are C(pid), C(role), C(database), C(application), C(client), C(seconds), C(wait_event),
                      C(query).
                  returned: when answered
                  type: list
                  elements: dict
                blocking:
                  description:
                    - Trees of sessions that wait for each other, the one that blocks most first.
                    - Keys are C(pid), C(waiting_seconds), C(lock), C(role), C(database), C(application), C(state),
                      C(transaction_seconds), C(query), and in C(blocks) those that wait for it.
                    - Below 20 levels a session stands beside those it waits for.
                  returned: when asked for
                  type: list
                  elements: dict
                prepared_transactions:
                  description:
                    - Prepared transactions, the oldest first.
                    - Keys are C(gid), C(owner), C(database), C(seconds).
                  returned: when answered
                  type: list
                  elements: dict
            databases:
              description:
                - Databases as wholes.
              returned: when asked for
              type: dict
              contains:
                database_activity:
                  description:
                    - What each database has done since its statistics began, which is when they were last reset or else
                      when the cluster was made. Shares and rates are over that time (an hour at least).
                    - Keys are C(database), C(sessions), C(transactions), C(rollbacks), C(blocks_read), C(blocks_hit),
                      C(cache_hit_percent), C(deadlocks), C(deadlocks_per_hour), C(temp_files), C(temp_bytes),
                      C(temp_bytes_per_hour), C(checksum_failures), C(last_checksum_failure),
                      C(last_checksum_failure_seconds), C(recovery_conflicts), C(statistics_age_seconds),
                      C(xid_age), C(xid_used_percent), C(mxid_age), C(mxid_used_percent).
                  returned: when answered
                  type: list
                  elements: dict
                database_sizes:
                  description:
                    - Size of each database, and whether some of it lies in other tablespaces than the default ones.
                    - Keys are C(database), C(bytes), C(other_tablespaces).
                  returned: when answered
                  type: list
                  elements: dict
                shared_catalogs:
                  description:
                    - Damaged pages of the catalogues that belong to no database.
                    - Keys are C(checksum_failures), C(last_checksum_failure), C(last_checksum_failure_seconds).
                  returned: when answered
                  type: dict
                invalid_databases:
                  description:
                    - Databases whose DROP was interrupted.
                    - The key is C(database).
                  returned: when answered
                  type: list
                  elements: dict
                xmin_holders:
                  description:
                    - What keeps dead rows from being vacuumed, the furthest back first.
                    - Keys are C(kind), C(name), C(transactions).
                  returned: when answered
                  type: list
                  elements: dict
                transaction_rate:
                  description:
                    - Transactions a second during the sample.
                    - Keys are C(transactions_per_second), C(baseline_per_second), C(deviation_percent),
                      C(sample_seconds).
                  returned: when answered
                  type: dict
            replication:
              description:
                - Replication.
              returned: when asked for
              type: dict
              contains:
                replicas:
                  description:
                    - Who streams from this server.
                    - Keys are C(name), C(client), C(state), C(sync_state), C(sent_lag_bytes), C(flush_lag_bytes),
                      C(replay_lag_bytes), C(replay_lag_seconds).
                  returned: when answered
                  type: list
                  elements: dict
                standby:
                  description:
                    - How a standby sees itself; not there on a primary.
                    - Keys are C(receiving), C(configured), C(sender), C(paused), C(received_lsn),
                      C(replayed_lsn), C(received_lag_bytes), C(replay_lag_seconds).
                  returned: when answered
                  type: dict
                replication_slots:
                  description:
                    - Replication slots and the WAL they keep.
                    - Keys are C(name), C(kind), C(database), C(active), C(inactive_seconds), C(wal_status),
                      C(retained_bytes), C(safe_bytes), C(xmin_transactions).
                  returned: when answered
                  type: list
                  elements: dict
                subscriptions:
                  description:
                    - Logical replication subscriptions.
                    - Keys are C(name), C(database), C(enabled), C(running), C(apply_errors), C(sync_errors),
                      C(errors_since_seconds).
                  returned: when answered
                  type: list
                  elements: dict
            wal:
              description:
                - WAL.
              returned: when asked for
              type: dict
              contains:
                archiver:
                  description:
                    - State of WAL archiving.
                    - Keys are C(mode), C(archived), C(failed), C(last_archived_wal), C(last_failed_wal), C(failing),
                      C(seconds_since_success), C(seconds_since_failure).
                  returned: when answered
                  type: dict
                archive_queue:
                  description:
                    - WAL files that wait to be archived.
                    - Keys are C(files), C(oldest_seconds).
                  returned: when answered
                  type: dict
                wal_directory:
                  description:
                    - WAL on disk, against what max_wal_size and wal_keep_size account for.
                    - Keys are C(files), C(bytes), C(expected_bytes), C(used_percent).
                  returned: when answered
                  type: dict
                checkpoints:
                  description:
                    - Timed and forced checkpoints.
                    - Keys are C(timed), C(requested), C(requested_percent).
                  returned: when answered
                  type: dict
            storage:
              description:
                - Disks and tablespaces.
              returned: when asked for
              type: dict
              contains:
                storage_paths:
                  description:
                    - Where the server keeps its files.
                    - Keys are C(purpose), C(path).
                  returned: when answered
                  type: list
                  elements: dict
                disks:
                  description:
                    - File systems under those paths; only where the module runs on the server's host.
                    - Keys are C(purpose), C(path), C(total_bytes), C(used_bytes), C(available_bytes),
                      C(used_percent), C(inodes_used_percent).
                  returned: when answered
                  type: list
                  elements: dict
                tablespace_sizes:
                  description:
                    - Size of each tablespace.
                    - Keys are C(tablespace), C(bytes).
                  returned: when answered
                  type: list
                  elements: dict
            backups:
              description:
                - Backups and drills as they are written down in C(/var/lib/runbook-postgres); only where the module
                  runs on the server's host.
              returned: when asked for
              type: dict
              contains:
                backups:
                  description:
                    - For each cluster its latest backup and verification, what can be recovered, and how many problems
                      its backups have, in sentences as C(told). Null is never.
                    - Keys are C(cluster), C(last_backup_at), C(backup_seconds), C(last_verified_at),
                      C(verified_seconds), C(recoverable_from), C(recoverable_to), C(problems), C(told).
                  returned: when answered
                  type: list
                  elements: dict
                dumps:
                  description:
                    - For each of O(expected_dumps) that is expected here the latest whole dump and verification, and
                      how many problems there are, in sentences as C(told). Null is never.
                    - Keys are C(database), C(directory), C(last_backup_at), C(backup_seconds), C(last_verified_at),
                      C(verified_seconds), C(problems), C(told).
                  returned: when answered
                  type: list
                  elements: dict
                drills:
                  description:
                    - For each cluster the last recovery drill, and how long ago one passed.
                    - Keys are C(cluster), C(at), C(passed), C(passed_at), C(passed_seconds), C(rto_seconds),
                      C(rpo_seconds), C(faults).
                  returned: when answered
                  type: list
                  elements: dict
            tables:
              description:
                - Tables.
              returned: when asked for
              type: dict
              contains:
                tables:
                  description:
                    - Tables that stand out by size, dead rows, updates or sequential scans. Sizes are those of the
                      last vacuum or analyze.
                    - Keys are C(table), C(bytes), C(total_bytes) with indexes and TOAST, C(live_rows), C(dead_rows),
                      C(dead_percent), C(updates), C(hot_update_percent), C(sequential_scans),
                      C(rows_per_sequential_scan), C(index_scans).
                  returned: when answered
                  type: list
                  elements: dict
                vacuum_backlog:
                  description:
                    - Tables past their autovacuum threshold.
                    - Keys are C(tables_due), C(tables_excluded).
                  returned: when answered
                  type: list
                  elements: dict
            partitions:
              description:
                - Partitions.
              returned: when asked for
              type: dict
              contains:
                partitioned_tables:
                  description:
                    - Partitioned tables, how many ranges begin after now, rows in the default partition.
                    - Keys are C(table), C(partitions), C(partitions_ahead), C(newest_bound), C(default_partition),
                      C(default_rows), C(detach_pending).
                  returned: when answered
                  type: list
                  elements: dict
                left_partitions:
                  description:
                    - Tables that M(runbook.postgres.pg_partition) detached to archive or drop them, and that are
                      still there.
                    - Keys are C(partition), C(waits_for), C(archived), C(bytes).
                  returned: when answered
                  type: list
                  elements: dict
            indexes:
              description:
                - Indexes.
              returned: when asked for
              type: dict
              contains:
                invalid_indexes:
                  description:
                    - Indexes that are not valid, and not being built, rebuilt or dropped.
                    - Keys are C(table), C(index), C(kind).
                    - The kind is V(broken), V(leftover) of a rebuild, or V(partitioned) where a partition lacks its
                      index.
                  returned: when answered
                  type: list
                  elements: dict
                unused_indexes:
                  description:
                    - Indexes not scanned on this server since its statistics began, the largest first.
                    - Keys are C(table), C(index), C(bytes), C(statistics_days).
                  returned: when answered
                  type: list
                  elements: dict
                duplicate_indexes:
                  description:
                    - Indexes that are the same.
                    - Keys are C(table), C(indexes), C(wasted_bytes).
                  returned: when answered
                  type: list
                  elements: dict
            bloat:
              description:
                - Bloat.
              returned: when asked for
              type: dict
              contains:
                table_bloat:
                  description:
                    - Estimated waste of tables of 1 MiB and more.
                    - Keys are C(table), C(index), C(bytes), C(wasted_bytes), C(wasted_percent).
                  returned: when answered
                  type: list
                  elements: dict
                index_bloat:
                  description:
                    - Estimated waste of B-tree indexes of 1 MiB and more.
                    - Keys are C(table), C(index), C(bytes), C(wasted_bytes), C(wasted_percent).
                  returned: when answered
                  type: list
                  elements: dict
                unestimated:
                  description:
                    - How many large tables could not be estimated, and why.
                    - Keys are C(forbidden), C(never_analyzed).
                  returned: when answered
                  type: list
                  elements: dict
            sequences:
              description:
                - Sequences.
              returned: when asked for
              type: dict
              contains:
                sequences:
                  description:
                    - Sequences, the most used first.
                    - Keys are C(sequence), C(last_value), C(end_value), C(used_percent).
                  returned: when answered
                  type: list
                  elements: dict
            statements:
              description:
                - Statements.
              returned: when asked for
              type: dict
              contains:
                statements:
                  description:
                    - Statements by total time, from pg_stat_statements; literals are masked.
                    - Keys are C(query_id), C(role), C(statement_database), C(calls), C(total_seconds),
                      C(total_percent), C(mean_milliseconds), C(rows), C(cache_hit_percent), C(temp_bytes), C(query).
                  returned: when answered
                  type: list
                  elements: dict
            progress:
              description:
                - Long work.
              returned: when asked for
              type: dict
              contains:
                running_work:
                  description:
                    - VACUUM, ANALYZE, CLUSTER, CREATE INDEX, REINDEX and COPY that run now.
                    - Keys are C(operation), C(pid), C(object), C(phase), C(done), C(total), C(done_percent).
                  returned: when answered
                  type: list
                  elements: dict
                base_backups:
                  description:
                    - Base backups that run now; done and total are bytes.
                    - Keys are C(operation), C(pid), C(object), C(phase), C(done), C(total), C(done_percent).
                  returned: when answered
                  type: list
                  elements: dict
            pgbouncer:
              description:
                - PgBouncer.
              returned: when asked for
              type: dict
              contains:
                pools:
                  description:
                    - PgBouncer's pools.
                    - Keys are C(pool), C(mode), C(clients_active), C(clients_waiting), C(servers_active),
                      C(servers_idle), C(size), C(used_percent), C(longest_wait_seconds).
                  returned: when answered
                  type: list
                  elements: dict
                pooler:
                  description:
                    - PgBouncer as a whole.
                    - Keys are C(version), C(clients), C(max_clients), C(clients_percent).
                  returned: when answered
                  type: dict
                pooler_down:
                  description:
                    - Why PgBouncer could not be asked; not there while it answers.
                    - The key is C(reason).
                  returned: when answered
                  type: dict
            patroni:
              description:
                - Patroni, where it keeps the cluster.
              returned: when asked for
              type: dict
              contains:
                patroni:
                  description:
                    - What the member says of itself and its cluster; C(etcd_age_seconds) is how long ago it heard from
                      etcd.
                    - Keys are C(scope), C(version), C(role), C(state), C(timeline), C(paused), C(pending_restart),
                      C(leader), C(etcd_age_seconds).
                  returned: when answered
                  type: dict
                patroni_members:
                  description:
                    - All members that it knows of.
                    - Keys are C(name), C(role), C(state), C(timeline), C(lag_bytes), C(pending_restart).
                  returned: when answered
                  type: list
                  elements: dict
                patroni_down:
                  description:
                    - Why Patroni could not be asked; not there while it answers.
                    - The key is C(reason).
                  returned: when answered
                  type: dict
            custom:
              description:
                - Your own.
              returned: when asked for
              type: dict
              contains:
                custom:
                  description:
                    - Values of your own checks.
                    - Keys are C(check), C(object), C(value).
                  returned: when answered
                  type: list
                  elements: dict
        findings:
          description:
            - What is beyond its level, the gravest first.
          returned: always
          type: list
          elements: dict
          contains:
            check:
              description:
                - Name of the check.
              returned: always
              type: str
              sample: idle_in_transaction_seconds
            severity:
              description:
                - C(critical), C(warning), or C(info), which is advice and leaves the status alone.
              returned: always
              type: str
              sample: warning
            value:
              description:
                - What was measured.
              returned: always
              type: float
              sample: 1260.5
            warning:
              description:
                - Level of a warning, null if off.
              returned: always
              type: float
              sample: 600
            critical:
              description:
                - Level of a critical finding, null if off.
              returned: always
              type: float
            unit:
              description:
                - Unit of these three.
              returned: always
              type: str
              sample: s
            object:
              description:
                - What it was measured on, null for the whole server.
              returned: always
              type: str
              sample: pid 4242
            database:
              description:
                - Database of that object, null for the whole server.
              returned: always
              type: str
              sample: shop
            message:
              description:
                - One sentence for the operator.
              returned: always
              type: str
              sample: The longest running query has taken 12 min so far.
            remedy:
              description:
                - What to do about it.
              returned: always
              type: str
              sample: VACUUM the table.
        ignored:
          description:
            - How many findings of each check were left out by O(ignore).
          returned: always
          type: dict
          sample: {unused_index_bytes: 1}
        unavailable:
          description:
            - Questions that got no answer.
          returned: always
          type: list
          elements: dict
          contains:
            probe:
              description:
                - Name of the question, as under C(metrics), or of the check that could not be made; C(connection) where
                  a database could not be connected to, C(databases) where they could not be listed.
              returned: always
              type: str
              sample: disks
            reason:
              description:
                - Why, and what to do about it.
              returned: always
              type: str
              sample: permission denied for function pg_hba_file_rules
            database:
              description:
                - Database it was asked in, null for the whole server.
              returned: always
              type: str
              sample: shop
        duration_ms:
          description:
            - How long it took.
          returned: always
          type: int
          sample: 84
"""

from ansible_collections.runbook.postgres.plugins.module_utils._connection import CONNECTION_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._health.examine import examine
from ansible_collections.runbook.postgres.plugins.module_utils._health.options import HEALTH_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module

OPTIONS = {**CONNECTION_OPTIONS, **HEALTH_OPTIONS}


def main() -> None:
    with Module(OPTIONS) as module:
        module.report(ansible_facts={"pg_health": examine(module.params)})


if __name__ == "__main__":
    main()
