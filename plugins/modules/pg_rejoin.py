# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""State that data which went another way than the primary is a standby's again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_rejoin
short_description: Bring an old primary back as a standby
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that the data of an instance on the managed host is that of a standby of the cluster's primary, for a server
    that was the primary before another was promoted, or for a standby that went another way.
  - The WAL that only this host has is copied to a directory beside the data first, with a list of what it is, and then
    C(pg_rewind) undoes it. What it will say is asked before anything is changed. Data that did not go past the point
    where the ways parted is only told to follow.
  - A server that takes writes is never stopped. The instance is not started, and where it finds its primary is for its
    settings to say; M(runbook.postgres.pg_standby) starts it.
  - While C(pg_rewind) is at work, data is no database. A mark beside it says so and C(start.conf) keeps the instance
    from starting. After a run that was killed the next one finishes, or says that a new copy has to be made.
extends_documentation_fragment:
  - runbook.postgres.upstream
options:
  data_directory:
    description:
      - Where the data is. Debian's place for the version and instance unless given.
    type: path
  upstream_hosts:
    description:
      - Addresses or names of the members. With several the one that accepts writes is taken.
    type: list
    elements: str
    required: true
  timeout:
    description:
      - Seconds after which a program that has not ended is stopped, and longest wait for another run on the host.
    type: int
    default: 86400
attributes:
  check_mode:
    description:
      - Says what would be done. C(pg_rewind --dry-run) is a part of that where the server was shut down in order.
    support: full
  diff_mode:
    description: Shows what the data is before and after.
    support: full
notes:
  - Run it as root, with C(become=true). The programs of PostgreSQL are run as the system user postgres.
  - On the primary O(user) has to be let into the database C(postgres) as well, and needs the right to execute
    C(pg_ls_dir(text, boolean, boolean)), C(pg_stat_file(text, boolean)), C(pg_read_binary_file(text)) and
    C(pg_read_binary_file(text, bigint, bigint, boolean)) there, as the roles P(runbook.postgres.hba#role) and
    P(runbook.postgres.replication#role) have it. More than a base backup shows, they do not show.
  - The data needs checksums or C(wal_log_hints), and the WAL back to the last checkpoint before the ways parted. From
    PostgreSQL 15 on what is missing of it comes through the instance's C(restore_command), where there is one.
  - Files C(*.conf) and C(conf.d) in the data directory are kept, C(postgresql.auto.conf) among them.
seealso:
  - module: runbook.postgres.pg_standby
"""

EXAMPLES = r"""
- name: The old primary follows the new one, and what only it had is kept
  runbook.postgres.pg_rejoin:
    version: 15
    upstream_hosts: [192.0.2.12]
    sslrootcert: /etc/ssl/postgres/ca.crt
    sslcert: /etc/ssl/postgres/node.crt
    sslkey: /etc/ssl/postgres/node.key
  become: true
  register: came_back

- name: What its clients were told and nobody else has
  ansible.builtin.debug:
    msg: "{{ came_back.only_here.commits }} transactions, in {{ came_back.kept }}"
  when: came_back.kept is not none
"""

RETURN = r"""
rewound:
  description:
    - Whether the data had gone another way and was rewound, or would be in check mode.
  returned: always
  type: bool
kept:
  description:
    - The directory with what only this host had, in C(wal), and its own settings, in C(settings). C(manifest.json)
      lists it. Nothing removes it.
  returned: always
  type: str
only_here:
  description:
    - What is kept. C(timeline) and C(from) say where the ways parted, C(to) where the last record begins; C(records),
      C(commits) and C(bytes) how much it is, null where the first of it was removed before and nobody could count. Of a
      server that was shut down in order the last record is the shutdown's.
  returned: always
  type: dict
steps:
  description:
    - Each step, taken or, in check mode, foreseen.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._standby.conninfo import UPSTREAM_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.rejoin import rejoined

OPTIONS = {
    **UPSTREAM_OPTIONS,
    "data_directory": {"type": "path"},
    "upstream_hosts": {"type": "list", "elements": "str", "required": True},
    "timeout": {"type": "int", "default": 86400},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        rejoined(module)


if __name__ == "__main__":
    main()
