# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Make an archived partition a partition again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_partition_restore
short_description: Make an archived partition a partition again
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that the rows of an archive made by M(runbook.postgres.pg_partition) are a partition of their table.
  - The rows are loaded into a table of their own, compared with the manifest by number and hash, read back and
    compared again, and only then attached; reads and writes of the partitioned table go on meanwhile.
  - A partition that has the archive's bounds and as many rows is left as it is.
  - Whether the file is what its manifest says, decrypts with the key given, fits the table's columns and overlaps no
    other partition is found out before anything is made.
  - The statements in the manifest are there for people and are never run. The new partition is made like its table,
    so that indexes which only the archived partition had are not made again.
extends_documentation_fragment:
  - runbook.postgres.connection
options:
  file:
    description:
      - The archive on the managed host. Its manifest is beside it, with C(.manifest.json) added to the name.
    type: path
    required: true
  identity:
    description:
      - File on the managed host with the secret key of one of the archive's recipients, for an encrypted archive.
        The module hands its name to C(age) and does not read it.
    type: path
  table:
    description:
      - The partitioned table to attach to, as SQL writes its name. The one that the manifest names unless given.
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
attributes:
  check_mode:
    description: Checks the archive and the table and says what would be made; the session is read-only.
    support: full
  diff_mode:
    description: Shows the partition with its bounds and rows.
    support: full
notes:
  - A partition past the retention that M(runbook.postgres.pg_partition) is given leaves again with its next run.
    Raise that first, or leave the table out.
seealso:
  - module: runbook.postgres.pg_partition
"""

EXAMPLES = r"""
- name: May of 2024 is a partition again
  runbook.postgres.pg_partition_restore:
    login_db: disasters
    file: /srv/archive/events/events_p2024_05-3f0d0c7be1a2.csv.zst.age
    identity: /root/keys/events-archive.txt
  become: true
  become_user: postgres
"""

RETURN = r"""
table:
  description:
    - The table with its schema.
  returned: always
  type: str
  sample: public.events
partition:
  description:
    - The partition's name.
  returned: always
  type: str
  sample: events_p2024_05
file:
  description:
    - The archive.
  returned: always
  type: str
rows:
  description:
    - How many rows the archive holds.
  returned: always
  type: int
bytes:
  description:
    - How long its plain content is.
  returned: always
  type: int
sha256:
  description:
    - Hash of its plain content, which is also the partition's.
  returned: always
  type: str
steps:
  description:
    - Each step taken, with C(step), C(seconds) and C(attempts); empty in check mode.
  returned: always
  type: list
  elements: dict
warnings:
  description:
    - What is odd, such as an archive from another cluster.
  returned: when there is something
  type: list
  elements: str
"""

from ansible_collections.runbook.postgres.plugins.module_utils._connection import CONNECTION_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._partition.restore.mend import Restore
from ansible_collections.runbook.postgres.plugins.module_utils._partition.restore.observe import read_given
from ansible_collections.runbook.postgres.plugins.module_utils._patience import Patience

OPTIONS = {
    **CONNECTION_OPTIONS,
    "file": {"type": "path", "required": True},
    "identity": {"type": "path"},
    "table": {"type": "str"},
    "lock_timeout": {"type": "float", "default": 2},
    "retries": {"type": "int", "default": 8},
}

# Bounds are read and written in one zone; a filtered answer about what a table holds would be a wrong one.
SETTINGS = {"TimeZone": "UTC", "DateStyle": "ISO", "row_security": "off"}


def main() -> None:
    with Module(OPTIONS) as module:
        given = read_given(module.params)
        patience = Patience(module.params["lock_timeout"], module.params["retries"])
        with module.session({**SETTINGS, "lock_timeout": patience.milliseconds}) as session:
            restore = Restore(session, given, module.params["table"], alone=not module.check_mode)
            try:
                if not module.check_mode:
                    restore.carry_out(patience, module.copy_connection)
            finally:
                module.report(**restore.result())


if __name__ == "__main__":
    main()
