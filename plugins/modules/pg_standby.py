# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""State that an instance on this host is a standby of a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_standby
short_description: Make an instance a standby of a cluster
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that an instance on the managed host is a standby of a cluster, cloned from its primary or from another
    standby by C(pg_basebackup).
  - The copy grows beside its place and is renamed when it is whole and on the disk. A run that is killed, on whichever
    side, leaves a marked directory; the next run removes it, ends what still writes there, and clones again.
  - A data directory that has something in it is never removed. What is not a standby of that cluster, or has diverged
    from it, is refused with what was found; with O(rebuild=true) it is moved aside first.
  - The instance is registered with Debian's tools, with the settings that C(initdb) wrote on the upstream.
  - With O(state=streaming) the instance is started as well and waited for until it streams.
extends_documentation_fragment:
  - runbook.postgres.upstream
options:
  state:
    description:
      - V(cloned) has the data in its place and the instance registered, and does not start it.
      - V(streaming) starts an instance that was cloned before and waits until it streams.
    type: str
    choices: [cloned, streaming]
    default: cloned
  data_directory:
    description:
      - Where the data is. Debian's place for the version and instance unless given.
      - It cannot be a mount point, since a clone is renamed into its place.
    type: path
  wal_directory:
    description:
      - Where the WAL of a clone goes, when not into the data directory. It has to be empty, or missing.
    type: path
  upstream_hosts:
    description:
      - Addresses or names of the server to clone from. With several the one that accepts writes is taken.
      - Required with O(state=cloned).
    type: list
    elements: str
    default: []
  slot:
    description:
      - Physical replication slot on the upstream that is this host's own. For a clone it is made anew, so that it keeps
        the WAL that the clone needs until the standby streams; when the clone fails it keeps none.
    type: str
  upstream_bytes:
    description:
      - How large the upstream's data is, if known. A clone that has no room is then refused before it begins, and in
        check mode; otherwise as soon as the upstream has told its size.
    type: int
  upstream_wal_from:
    description:
      - Where the WAL begins that the upstream keeps, such as C(0/4000000), if known. A standby that does not stream and
        ends before that cannot go on, and is refused or, with O(rebuild), replaced.
    type: str
  max_rate:
    description:
      - Most that is copied in a second, as C(pg_basebackup) takes it, for example V(50M).
    type: str
  checkpoint:
    description:
      - Whether the upstream makes its checkpoint at once or spread over time.
    type: str
    choices: [fast, spread]
    default: fast
  rebuild:
    description:
      - Whether data that is refused is moved aside, to a name with C(.before-rebuild-) and the time in UTC, and a
        clone put in its place. It is never removed. A server that runs on it as a primary is never stopped for it.
      - A standby in order stays as it is.
    type: bool
    default: false
  timeout:
    description:
      - Seconds after which a base backup that has not ended is stopped, and longest wait for another run on the host.
      - With O(state=streaming) seconds after which a standby that does not stream is a failure.
      - A day, and 300 seconds with O(state=streaming), unless given.
    type: int
attributes:
  check_mode:
    description: Says what would be done, also on a host without PostgreSQL or before the upstream lets it in.
    support: full
  diff_mode:
    description: Shows what the data directory is before and after.
    support: full
notes:
  - Run it as root, with C(become=true). The programs of PostgreSQL are run as the system user postgres.
  - C(psycopg2) is not needed.
  - What a killed run left in the directories of tablespaces is not removed; C(pg_basebackup) then names them.
"""

EXAMPLES = r"""
- name: This host's main instance is a standby
  runbook.postgres.pg_standby:
    version: 15
    upstream_hosts: [192.0.2.11]
    sslrootcert: /etc/ssl/postgres/ca.crt
    sslcert: /etc/ssl/postgres/node.crt
    sslkey: /etc/ssl/postgres/node.key
    slot: db2
  become: true

- name: It streams
  runbook.postgres.pg_standby:
    state: streaming
    version: 15
  become: true
"""

RETURN = r"""
cloned:
  description:
    - Whether a clone was made, or would be in check mode.
  returned: always
  type: bool
bytes:
  description:
    - How much was copied; 0 in check mode.
  returned: always
  type: int
seconds:
  description:
    - How long the copy took.
  returned: always
  type: float
old_data:
  description:
    - Where the data is that was moved aside.
  returned: always
  type: str
steps:
  description:
    - Each step, taken or, in check mode, foreseen.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._standby.conninfo import UPSTREAM_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._standby.standby import cloned, streaming

OPTIONS = {
    **UPSTREAM_OPTIONS,
    "state": {"type": "str", "choices": ["cloned", "streaming"], "default": "cloned"},
    "data_directory": {"type": "path"},
    "wal_directory": {"type": "path"},
    "upstream_hosts": {"type": "list", "elements": "str", "default": []},
    "slot": {"type": "str"},
    "upstream_bytes": {"type": "int"},
    "upstream_wal_from": {"type": "str"},
    "max_rate": {"type": "str"},
    "checkpoint": {"type": "str", "choices": ["fast", "spread"], "default": "fast"},
    "rebuild": {"type": "bool", "default": False},
    "timeout": {"type": "int"},
}


def main() -> None:
    with Module(OPTIONS, driver=False, required_if=[("state", "cloned", ["upstream_hosts"])]) as module:
        (cloned if module.params["state"] == "cloned" else streaming)(module)


if __name__ == "__main__":
    main()
