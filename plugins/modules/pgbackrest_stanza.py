# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A cluster's place in its repositories."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_stanza
short_description: Have a cluster's place in each repository, and see that its WAL arrives
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that every repository of pgBackRest has a stanza for the cluster. The first time, and for as long as no WAL
    has arrived, it also has the primary send a segment and waits for that.
  - A stanza that belongs to another cluster than the server's, whose WAL pgBackRest would not take, is refused.
  - Runs where backups run, on the repository host or, without one, on the primary, after
    M(runbook.postgres.pgbackrest_config) has written what pgBackRest reads there.
options:
  stanza:
    description:
      - What the cluster is called in repositories.
    type: str
    required: true
  repositories:
    description:
      - How many there are.
    type: int
    default: 1
  upgrade:
    description:
      - Whether a stanza of another cluster goes on with the one whose server is there now, as after an upgrade to
        another major version, or after the cluster was made anew. What the old one left in the repositories stays until
        its retention has it removed.
      - Otherwise such a stanza is refused, since it may as well be that of another cluster, which could then archive no
        more.
    type: bool
    default: false
  timeout:
    description:
      - Seconds after which pgBackRest is stopped.
    type: int
    default: 300
seealso:
  - module: runbook.postgres.pgbackrest_config
attributes:
  check_mode:
    support: full
    description: Says what a run would do, also on a host where pgBackRest is still to be installed.
  diff_mode:
    support: full
    description: The stanzas that are made, or go on with another cluster.
  platform:
    support: full
    platforms: debian
    description: Debian's layout is what it knows.
"""

EXAMPLES = r"""
- name: The cluster's WAL arrives
  runbook.postgres.pgbackrest_stanza:
    stanza: orders

- name: It goes on with the cluster after an upgrade
  runbook.postgres.pgbackrest_stanza:
    stanza: orders
    upgrade: true
"""

RETURN = r"""
steps:
  description: What was done, or would be.
  type: list
  elements: str
  returned: always
  sample: [make the stanza in repository 1]
"""

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.stanza import apply, observe, plan

OPTIONS: dict[str, dict[str, Any]] = {
    "stanza": {"type": "str", "required": True},
    "repositories": {"type": "int", "default": 1},
    "upgrade": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 300},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        stanza, repositories = module.params["stanza"], module.params["repositories"]
        places = observe(stanza, repositories, check_mode=module.check_mode)
        planned = plan(stanza, places, repositories, upgrade=module.params["upgrade"])
        warnings = [] if module.check_mode else apply(stanza, planned, float(module.params["timeout"]))
        after = "".join(f"{sentence}\n" for sentence in planned.sentences)
        diff = {"before_header": stanza, "after_header": stanza, "before": "", "after": after}
        module.report(
            changed=planned.changed, diff=[diff] if planned.changed else [], steps=planned.sentences, warnings=warnings
        )


if __name__ == "__main__":
    main()
