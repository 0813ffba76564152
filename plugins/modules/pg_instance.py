# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""An instance of PostgreSQL, as Debian lays it out."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_instance
short_description: Have an instance of PostgreSQL, and have it started or stopped
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that an instance exists on a Debian host. One that does not is made with C(pg_createcluster), with data
    checksums, and starts at boot.
  - An instance that exists is never altered. What differs and was settled when it was made is told as a warning; data
    that lie elsewhere, are of another version, or belong to no instance are refused.
  - A run that was killed while it made the instance is finished by the next one, which removes the half that is there
    if it was never started.
  - Needs the rights of root on the managed host, and no password; the server lets the operating system's user
    C(postgres) in over its socket.
options:
  version:
    description:
      - Major version; its package C(postgresql-<version>) has to be installed, except in check mode.
    type: int
    required: true
  instance:
    description:
      - Name of the instance.
    type: str
    default: main
  data_directory:
    description:
      - Where its data are. By default C(/var/lib/postgresql/<version>/<instance>), or wherever those of an existing
        instance are.
      - A directory that is not there is made; one that is must be empty.
    type: path
  wal_directory:
    description:
      - Where its WAL is, for example on a disk of its own. By default with the data.
    type: path
  port:
    description:
      - The port of a new instance. Later it is a setting, O(port) is not looked at then.
    type: int
    default: 5432
  checksums:
    description:
      - Whether pages bear checksums.
    type: bool
    default: true
  encoding:
    description:
      - Encoding of a new instance's databases.
    type: str
    default: UTF8
  locale:
    description:
      - Locale of a new instance's databases. V(C.UTF-8) is on every host and never changes its order, so that indexes
        survive an upgrade of the operating system.
    type: str
    default: C.UTF-8
  started:
    description:
      - V(true) has the server run, V(false) has it stopped. Without this it stays as it is.
      - An instance whose C(start.conf) keeps it from starting at boot is not started either.
    type: bool
  timeout:
    description:
      - Seconds after which making, starting or stopping is given up.
    type: int
    default: 300
seealso:
  - module: runbook.postgres.pg_settings
attributes:
  check_mode:
    support: full
    description: Says what a run would do, also on a host where PostgreSQL is still to be installed.
  diff_mode:
    support: full
    description: The instance before and after.
  platform:
    support: full
    platforms: debian
    description: Debian's layout of instances is what it knows.
"""

EXAMPLES = r"""
- name: An instance with its WAL on another disk
  runbook.postgres.pg_instance:
    version: 15
    wal_directory: /srv/wal/15-main
    started: true
"""

RETURN = r"""
steps:
  description: What was done, or would be, in order.
  type: list
  elements: str
  returned: always
  sample: [create instance 15/main, start instance 15/main]
data_directory:
  description: Where the data are.
  type: str
  returned: always
running:
  description: Whether the server ran before the module did anything.
  type: bool
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._instance.creation import Wish, plan
from ansible_collections.runbook.postgres.plugins.module_utils._instance.make import apply, observe
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module

OPTIONS: dict[str, dict[str, Any]] = {
    "version": {"type": "int", "required": True},
    "instance": {"type": "str", "default": "main"},
    "data_directory": {"type": "path"},
    "wal_directory": {"type": "path"},
    "port": {"type": "int", "default": 5432},
    "checksums": {"type": "bool", "default": True},
    "encoding": {"type": "str", "default": "UTF8"},
    "locale": {"type": "str", "default": "C.UTF-8"},
    "started": {"type": "bool"},
    "timeout": {"type": "int", "default": 300},
}


def directory(options: dict[str, Any], name: str) -> Path | None:
    text = options[name]
    if text and not Path(text).is_absolute():
        raise Refused(f"{name} is '{text}', which depends on where one stands: give an absolute path.")
    return Path(text) if text else None


def wish(options: dict[str, Any]) -> Wish:
    if not 1024 <= options["port"] <= 65535:
        raise Refused(f"port is {options['port']}: give one from 1024 to 65535.")
    return Wish(
        options["version"],
        options["instance"],
        directory(options, "data_directory"),
        directory(options, "wal_directory"),
        options["port"],
        options["checksums"],
        options["encoding"],
        options["locale"],
        options["started"],
        float(options["timeout"]),
    )


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        wanted = wish(module.params)
        found = observe(wanted)
        planned = plan(wanted, found, check_mode=module.check_mode)
        if planned.refusals:
            raise Refused(planned.refusals[0])
        if not module.check_mode:
            apply(wanted, found, planned)
        module.report(
            changed=planned.changed,
            diff=planned.diff(f"instance {found.instance.title}"),
            steps=[change.sentence for change in planned.changes],
            data_directory=str(found.instance.data_directory),
            running=found.instance.server is not None,
            warnings=list(planned.warnings),
        )


if __name__ == "__main__":
    main()
