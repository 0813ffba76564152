# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tell what a host and the PostgreSQL instance on it are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_node_facts
short_description: Tell what a database host is, whether PostgreSQL is on it or not
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - One call answers what has to be known of a host before it is made a member of a cluster, or of a member before
    anything is changed on it - the host, the packages, the instance, who it is in its cluster and how far it got.
  - A server that runs is asked over its unix socket as the system user C(postgres); what it cannot say is read from
    C(pg_controldata) and from files. Nothing is ever written, nothing is waited for longer than some seconds, and
    the host needs no database driver.
  - Run it as root.
options:
  version:
    description:
      - Major version that is meant.
      - Left out, it is that of the instance there is, else the newest that is installed, else the distribution's own.
    type: int
  instance:
    description:
      - Name of the instance, as Debian's tools know it.
    type: str
    default: main
  port:
    description:
      - Port that the instance has or is to have; whether another program has it is told. A server that runs is asked
        on the port that it really has.
    type: int
    default: 5432
  data_directory:
    description:
      - Where the data is or is to be.
      - Left out, it is what the instance's configuration says, else the place that Debian's tools choose.
    type: path
  wal_directory:
    description:
      - Where the WAL of an instance that is yet to be made will be. With its data, if left out.
    type: path
  machine_only:
    description:
      - Look at the host alone, where no database is to be. C(packages), C(version) and C(instance) are then null.
    type: bool
    default: false
  servers:
    description:
      - Servers at O(port) that are asked meanwhile whether they answer, as M(runbook.postgres.pg_reach_info) asks them,
        by name the address of each.
    type: dict
    default: {}
  servers_timeout:
    description:
      - Seconds to wait for a connection to one of O(servers), and as long for its answer.
    type: float
    default: 3
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would return outside of it.
    support: full
  diff_mode:
    description: Nothing is changed, so there is nothing to show.
    support: none
  facts:
    description: Returns an C(ansible_facts) dictionary.
    support: full
"""

EXAMPLES = r"""
- name: Look at a host
  runbook.postgres.pg_node_facts:
    version: 15
  become: true

- name: Say who it is
  ansible.builtin.debug:
    msg: "{{ pg_node.instance.state }}, {{ pg_node.instance.role | default('no server', true) }}"
"""

RETURN = r"""
answers:
  description: By the name of each of O(servers), whether it answered.
  type: dict
  returned: always
  sample: {db1: false}
ansible_facts:
  description:
    - What was found.
  returned: always
  type: dict
  contains:
    pg_node:
      description:
        - The host, its packages and the instance.
      returned: always
      type: dict
      contains:
        machine:
          description:
            - C(distribution) and C(release) as in C(/etc/os-release), C(supported) by this collection or not,
              C(memory_bytes) and C(cores) that the server may use after limits of control groups, C(disk_bytes) and
              C(rotational) of the file system that the data is or will be on, C(wal_disk_bytes) of the one that the
              WAL is or will be on and C(wal_free_bytes) that are left on it, C(addresses) of the host, C(listening)
              with C(port) and C(program), and C(promoters), programs that run there and promote servers by themselves,
              as Patroni does.
          returned: always
          type: dict
        packages:
          description:
            - C(versions_installed), C(versions_offered) by the package sources, and C(version_offered), the one of
              these that is meant. What is installed is all that is offered when it settles the matter.
          returned: always
          type: dict
        version:
          description:
            - The major version that is meant; null where none is installed, offered or asked for.
          returned: always
          type: int
          sample: 15
        instance:
          description:
            - C(state) is V(absent), V(empty) (directories without data), V(foreign) (something else is there),
              V(stopped), V(running) or V(broken) (it hangs, its control data cannot be read, or it was being rewound).
            - C(data_directory), C(config_directory), C(has_data), C(pg_version) and C(unfinished_basebackup) (in the
              data directory, where the state is V(foreign), or beside it, where this collection makes its clones)
              tell of its files, C(unfinished_rewind) of a run of M(runbook.postgres.pg_rejoin) that has not ended,
              C(port_taken_by) of another program on C(port), the one that is meant.
            - C(reads_away) is whether readers are kept from it because it was behind.
            - C(start) is what C(start.conf) says, V(auto), V(manual) or V(disabled); null where there is none.
            - C(system_identifier), C(control_state), C(timeline), C(history) (earlier timelines, each with the C(lsn)
              at which it was left) and C(checksums) tell whose data it is.
            - C(role) is V(primary) or V(standby) as the running server says, or as which a stopped one would start;
              null where a running server does not say. C(in_recovery), C(receive_lsn), C(replay_lsn),
              C(replay_paused), C(current_lsn), C(upstream), C(upstream_hosts) (those that
              its C(primary_conninfo) names, in their order), C(streaming), C(slots), C(oldest_wal) (where the WAL that
              it keeps begins), C(restores) (whether it has a C(restore_command)), C(awaits_wal) (whether it has
              replayed all that it has), C(settings), C(pending_restart) and C(server_version_num) are the running
              server's; of a stopped one the position comes from its control data.
            - C(problem) is a sentence where something is wrong, else null. Something is where nothing is there and
              C(/etc/fstab) or a unit of systemd has a file system for that place which is not mounted.
          returned: always
          type: dict
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.node.observe import Question, observe
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._reach import Server, looked

OF_THE_HOST: dict[str, dict[str, Any]] = {
    "version": {"type": "int"},
    "instance": {"type": "str", "default": "main"},
    "port": {"type": "int", "default": 5432},
    "data_directory": {"type": "path"},
    "wal_directory": {"type": "path"},
    "machine_only": {"type": "bool", "default": False},
}
OPTIONS: dict[str, dict[str, Any]] = {
    **OF_THE_HOST,
    "servers": {"type": "dict", "default": {}},
    "servers_timeout": {"type": "float", "default": 3},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        port, seconds = module.params["port"], module.params["servers_timeout"]
        servers = [Server(name, str(address), port) for name, address in module.params["servers"].items()]
        # Those that are silent take their time, in which the host is looked at.
        with ThreadPoolExecutor(max_workers=1) as beside:
            asked = beside.submit(looked, servers, seconds)
            seen = observe(Question(**{name: module.params[name] for name in OF_THE_HOST}))
            module.report(ansible_facts={"pg_node": seen}, answers=asked.result())


if __name__ == "__main__":
    main()
