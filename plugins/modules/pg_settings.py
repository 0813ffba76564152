# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Settings of an instance, in one file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_settings
short_description: Keep a file of settings that the server has accepted
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States which settings one file in C(conf.d) of a Debian instance holds. The file is ours as a whole, so that a
    setting that is no longer named leaves it.
  - Before the file takes its place, PostgreSQL itself reads it (C(postgres -C)). When the server runs, it is asked
    again before it is told to load the file; what it does not take is refused with its words, and the old file is
    put back.
  - Values are compared as the server reads them, C(1GB) and C(1024MB) are the same.
  - What C(ALTER SYSTEM) said of these settings would count more than the file, and is reset.
  - A setting that takes effect at a restart only is written and reported in RV(pending_restart). No server is ever
    restarted here.
  - Works on primaries and standbys, while the server is stopped, and in check mode on a host where PostgreSQL is
    still to be installed.
  - Needs the rights of root on the managed host, and no password; the server lets the operating system's user
    C(postgres) in over its socket.
options:
  version:
    description:
      - Major version of the instance.
    type: int
    required: true
  instance:
    description:
      - Name of the instance.
    type: str
    default: main
  file:
    description:
      - Name of the file in C(conf.d), without its ending. Files are read in the order of their names, and of two
        that name the same setting the later one counts.
    type: str
    default: runbook
  settings:
    description:
      - Names and values. Texts are taken as they are, booleans become V(on) and V(off), lists are joined by commas,
        and null leaves a setting out.
      - Passwords do not belong here. C(primary_conninfo) with one is refused.
    type: dict
    required: true
seealso:
  - module: runbook.postgres.pg_instance
attributes:
  check_mode:
    support: full
    description: Says what a run would do, also which settings would wait for a restart.
  diff_mode:
    support: full
    description: The file before and after, and the overrides that would go.
  platform:
    support: full
    platforms: debian
    description: Debian's layout of instances is what it knows.
"""

EXAMPLES = r"""
- name: Memory and logging
  runbook.postgres.pg_settings:
    version: 15
    settings:
      shared_buffers: 4GB
      log_min_duration_statement: 1s
      log_lock_waits: true
      shared_preload_libraries: [pg_stat_statements, auto_explain]
"""

RETURN = r"""
settings_file:
  description: The file.
  type: str
  returned: always
touched:
  description: Settings whose value came, went or changed, in the file or because an override went.
  type: list
  elements: str
  returned: always
reset:
  description: Settings that C(ALTER SYSTEM) had overridden.
  type: list
  elements: str
  returned: always
pending_restart:
  description: All settings of the server that wait for a restart; in check mode those that would.
  type: list
  elements: str
  returned: always
running:
  description: Whether the server runs.
  type: bool
  returned: always
"""

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._instance.configuration import read_settings
from ansible_collections.runbook.postgres.plugins.module_utils._instance.manage_settings import (
    apply,
    observe,
    prepare,
    result,
)
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module

OPTIONS: dict[str, dict[str, Any]] = {
    "version": {"type": "int", "required": True},
    "instance": {"type": "str", "default": "main"},
    "file": {"type": "str", "default": "runbook"},
    "settings": {"type": "dict", "required": True},
}


def main() -> None:
    with Module(OPTIONS, driver=False, logged=False) as module:
        asked = module.params
        settings = read_settings(asked["settings"])
        scene = observe(asked["version"], asked["instance"], asked["file"], settings, check_mode=module.check_mode)
        plan = prepare(scene, check_mode=module.check_mode)
        pending = plan.pending
        if plan.changed and not module.check_mode:
            pending = apply(scene, plan)
        module.report(**result(scene, plan, pending))


if __name__ == "__main__":
    main()
