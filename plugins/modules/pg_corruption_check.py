# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Look an instance's data over for damage, and say what to do about it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_corruption_check
short_description: Look for damaged data and say what to do about it
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - Looks at an instance's control data and, of a server that runs, at every table, sequence, index and foreign key of
    its databases; of a stopped one at the checksum of every page. It comes to a verdict and names the next step.
  - Nothing is written, and nothing is mended. Everything is read, which takes its time and its share of the disk; run
    it on a standby or a restored copy where that matters.
  - Indexes are looked at where the extension C(amcheck) is, and tables as well from PostgreSQL 14 on; elsewhere every
    row is read, which finds pages whose checksum is wrong. Of indexes C(amcheck) reads those of kind btree. What could
    not be looked at is told, also what a full disk or too little memory kept from being read.
options:
  version:
    description:
      - Major version of PostgreSQL.
    type: int
    required: true
  instance:
    description:
      - Name of the instance, as Debian's tools have it.
    type: str
    default: main
  data_directory:
    description:
      - Where the data is. Debian's place for the version and instance unless given.
    type: path
  databases:
    description:
      - Which databases to look at. All that take connections unless given.
    type: list
    elements: str
    default: []
  heap_all_indexed:
    description:
      - Whether every row is looked up in every index, which takes much longer and finds rows that an index has lost.
    type: bool
    default: false
  foreign_keys:
    description:
      - Whether every row with a foreign key is held against what it refers to.
    type: bool
    default: true
  timeout:
    description:
      - Seconds after which one kind of thing in one database is given up.
    type: int
    default: 21600
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would return outside of it.
    support: full
  diff_mode:
    description: Nothing is changed, so there is nothing to show.
    support: none
notes:
  - Run it as root, with C(become=true). The server is asked over its unix socket as the system user postgres.
  - C(psycopg2) is not needed.
"""

EXAMPLES = r"""
- name: Look whether the data is sound
  runbook.postgres.pg_corruption_check:
    version: 15
  become: true
  register: looked

- name: Say what to do
  ansible.builtin.debug:
    msg: "{{ looked.verdict }}: {{ looked.next_step }}"
"""

RETURN = r"""
verdict:
  description:
    - V(sound), V(suspect) (the server has met damage that was not found again), V(corrupt), or V(unknown) where nothing
      but the control data could be looked at, as after a crash.
  returned: always
  type: str
next_step:
  description:
    - What to do about the gravest of it.
  returned: always
  type: str
faults:
  description:
    - What is damaged, with C(kind), C(object), C(database) and C(message).
  returned: always
  type: list
  elements: dict
looked_at:
  description:
    - How many of what were looked at.
  returned: always
  type: dict
skipped:
  description:
    - What was not, and why.
  returned: always
  type: list
  elements: str
server:
  description:
    - Whether the server was V(running) or V(stopped).
  returned: always
  type: str
"""

from ansible_collections.runbook.postgres.plugins.module_utils._corruption.examine import examined
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module

OPTIONS = {
    "version": {"type": "int", "required": True},
    "instance": {"type": "str", "default": "main"},
    "data_directory": {"type": "path"},
    "databases": {"type": "list", "elements": "str", "default": []},
    "heap_all_indexed": {"type": "bool", "default": False},
    "foreign_keys": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 21600},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        examined(module)


if __name__ == "__main__":
    main()
