#!/usr/bin/python
# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbouncer_config
short_description: Keep a PgBouncer as it is written down, without dropping a client
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States the pools, limits and settings of the PgBouncer on the managed host, and that it runs.
  - Each database has a pool that writes, which leads to the primary, and one that reads, which leads to standbys.
  - A new configuration is tried before it goes live, by a process of its own that listens nowhere. What that
    process refuses is refused here, and nothing was changed.
  - The running process is then told to read the files, which drops nobody, and is asked what it runs with
    afterwards. When that is not what was written, the old files are put back.
  - Users come from the database. PgBouncer looks a client's SCRAM secret up over a connection that logs in by
    certificate, so that no password is stored on this host. M(runbook.postgres.pgbouncer_lookup) makes what it asks.
options:
  primary:
    description:
      - Where pools that write lead, as name or address. Its certificate must bear it with C(verify-full).
    type: str
    required: true
  standbys:
    description:
      - The standbys in service.
    type: list
    elements: str
    default: []
  port:
    description:
      - Port of the database servers.
    type: int
    default: 5432
  databases:
    description:
      - The databases to pool.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The database's name, whatever it holds.
        type: str
        required: true
      pool:
        description:
          - What clients call it, which is O(databases[].name) by default. PgBouncer takes only letters of English,
            digits and C(_), C(-) and C(.) here.
        type: str
      read_pool:
        description:
          - What clients call it who only read; O(databases[].pool) followed by O(read_suffix) by default. Empty for
            none.
        type: str
      pool_mode:
        description:
          - When a connection goes back to the pool, where this differs from the setting of that name.
        type: str
        choices: [session, transaction, statement]
      pool_size:
        description:
          - How many connections to the server each user has, for each of the two pools.
        type: int
      min_pool_size:
        description:
          - How many of them are kept when idle.
        type: int
      reserve_pool:
        description:
          - How many more there may be while clients wait too long.
        type: int
      max_db_connections:
        description:
          - How many there may be for all users together.
        type: int
  users:
    description:
      - Limits of users. Needs PgBouncer 1.24, since earlier ones would not look up the password of a user who is
        listed. A role's connection limit in PostgreSQL serves everywhere.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - The user's name.
        type: str
        required: true
      pool_mode:
        description:
          - When a connection goes back to the pool.
        type: str
        choices: [session, transaction, statement]
      max_user_connections:
        description:
          - How many connections to the server the user has in all pools together.
        type: int
      pool_size:
        description:
          - How many of them in one pool.
        type: int
  read_suffix:
    description:
      - Added to a pool's name for its pool that reads. Empty for no such pools.
    type: str
    default: _ro
  read_fallback:
    description:
      - Whether pools that read lead to the primary while no standby is in service. They are left out otherwise.
    type: bool
    default: true
  read_name:
    description:
      - A name that resolves to the addresses of all standbys and stands in the certificate of each. PgBouncer then
        reads from them in turn.
      - Without it a process reads from one standby, since PgBouncer can verify (C(server_tls_sslmode=verify-full)) a
        server by one name only. Poolers and processes are spread over the standbys by O(read_offset). With any other
        mode it is given all of them, from PgBouncer 1.17 on.
    type: str
    default: ''
  read_offset:
    description:
      - Which of O(standbys) the first process reads from, counted from 0; for several poolers give each another.
    type: int
    default: 0
  auth_user:
    description:
      - The role that looks up secrets. It logs in by the certificate that the settings name.
    type: str
    default: pgbouncer
  auth_database:
    description:
      - A database in which secrets are looked up for all pools, from PgBouncer 1.19 on. Without one they are looked
        up in each database, which leaves readers independent of the primary.
    type: str
    default: ''
  logins:
    description:
      - Who may look at the console over the network, with a password that is stored as a SCRAM secret. They see
        figures and change nothing. The console as a whole is only open to the system's user postgres, over the unix
        socket.
      - A role of the same name cannot log in to databases through this pooler, as it has two secrets then.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name of the login.
        type: str
        required: true
      password:
        description:
          - Its password.
        type: str
        required: true
  settings:
    description:
      - Settings of PgBouncer by their names, such as V(listen_addr) or V(pool_mode). What is left out has PgBouncer's
        own default.
    type: dict
    default: {}
  max_prepared_statements:
    description:
      - How many prepared statements a server connection holds for its clients, from PgBouncer 1.21 on. Earlier ones
        cannot pool transactions of clients that prepare statements.
    type: int
    default: 200
  processes:
    description:
      - How many processes share the port, from PgBouncer 1.19 on; one process uses one core.
      - Numbers of clients and connections in the other options are meant for all processes together and divided.
    type: int
    default: 1
  restart:
    description:
      - A few settings count from a start only, such as V(listen_addr), and before PgBouncer 1.16 all of TLS.
      - V(idle) restarts for them when no client is connected, and reports them as pending otherwise. V(never) always
        reports them. V(always) restarts, which drops clients.
    type: str
    choices: [never, idle, always]
    default: idle
  version:
    description:
      - PgBouncer's version, for check mode on a host where it is not installed; the one of Debian's release by
        default.
    type: str
attributes:
  check_mode:
    description: Says what would be done. Where PgBouncer is installed the configuration is tried as well.
    support: full
  diff_mode:
    description: Shows the files and services; secrets are hidden.
    support: full
requirements:
  - psycopg2 2.8.6 or later on the managed host
  - root, to write the files and to be PgBouncer's user where its socket asks for that
seealso:
  - module: runbook.postgres.pgbouncer_lookup
"""

EXAMPLES = r"""
- name: A pool for writing and one for reading
  runbook.postgres.pgbouncer_config:
    primary: 10.0.0.11
    standbys: [10.0.0.12, 10.0.0.13]
    databases:
      - name: shop
        pool_size: 20
    settings:
      listen_addr: [127.0.0.1, 10.0.0.20]
      auth_type: scram-sha-256
      pool_mode: transaction
      max_client_conn: 200
      client_tls_sslmode: require
      client_tls_cert_file: /etc/ssl/postgres/node.crt
      client_tls_key_file: /etc/ssl/postgres/node.key
      server_tls_sslmode: verify-full
      server_tls_ca_file: /etc/ssl/postgres/ca.crt
      server_tls_cert_file: /etc/ssl/postgres/node.crt
      server_tls_key_file: /etc/ssl/postgres/node.key
  become: true
"""

RETURN = r"""
version:
  description:
    - PgBouncer's version.
  returned: always
  type: str
  sample: "1.18"
pools:
  description:
    - Where each pool leads; of several processes, the first one's.
  returned: always
  type: list
  elements: dict
  contains:
    pool:
      description:
        - The pool's name.
      type: str
      returned: always
      sample: shop_ro
    host:
      description:
        - The server, or several of them.
      type: str
      returned: always
    database:
      description:
        - The database there.
      type: str
      returned: always
steps:
  description:
    - What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: [replace /etc/pgbouncer/pgbouncer.ini, reload pgbouncer.service]
pending_restart:
  description:
    - Settings that are written down and wait for a restart, with their unit.
  returned: always
  type: list
  elements: str
  sample: ["pgbouncer.service: listen_addr"]
"""

from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.configure import carry_out, prepare, result
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.request import POOLER_OPTIONS, wanted


def main() -> None:
    with Module(POOLER_OPTIONS, driver=False) as module:
        job = prepare(wanted(module.params), module.params["version"], check_mode=module.check_mode)
        module.report(**result(job))
        if not module.check_mode:
            carry_out(job)


if __name__ == "__main__":
    main()
