# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""State which physical replication slots a server has for the members of its cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_slots
short_description: Keep physical replication slots for the members of a cluster
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that a server, primary or standby, has a physical replication slot for each of some members, and none for
    others, in one call.
  - A slot is made without a position, so that it keeps no WAL before its member first streams. That way every node can
    have slots for all others, and serves them at once when it is promoted.
  - A slot in use is never touched. One that is not in use is made anew when it can serve nobody (its WAL is lost), or
    when it keeps WAL on a standby that its member does not stream from, which is what a former primary is left with.
  - Slots that are named in neither list, and logical ones, are left alone.
options:
  present:
    description:
      - Slots that are there.
    type: list
    elements: str
    default: []
  absent:
    description:
      - Slots that are not there. One that is in use is refused.
    type: list
    elements: str
    default: []
  downstream:
    description:
      - Those of O(present) whose members stream from this server although it is a standby. Theirs keep WAL while such a
        member is down.
    type: list
    elements: str
    default: []
  elsewhere:
    description:
      - Those of O(present) whose members stream from a standby other than this server. No WAL is kept for them here,
        also where this is the primary.
    type: list
    elements: str
    default: []
  leaving:
    description:
      - Those of O(absent) whose members are stopped right before. It is waited a moment for them to be gone, and in
        check mode they count as gone, since nobody has stopped them.
    type: list
    elements: str
    default: []
  port:
    description:
      - Port of the server, which is asked over its unix socket as the system user postgres.
    type: int
    default: 5432
  data_directory:
    description:
      - Where its data is. In check mode the slots of a server that does not run are read from there.
    type: path
attributes:
  check_mode:
    description: Says what would be done, also where there is no server yet.
    support: full
  diff_mode:
    description: Shows the names of the physical slots.
    support: full
notes:
  - Run it as root, with C(become=true); C(psycopg2) is not needed.
seealso:
  - module: runbook.postgres.pg_standby
"""

EXAMPLES = r"""
- name: The other two members can stream from here, the one that is gone cannot
  runbook.postgres.pg_slots:
    present: [db2, db3]
    absent: [db4]
  become: true
"""

RETURN = r"""
steps:
  description:
    - Each slot that was dropped or made, or would be in check mode, and why.
  returned: always
  type: list
  elements: str
  sample: [make slot db2]
"""

from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._debian import Socket
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._slots import slots
from ansible_collections.runbook.postgres.plugins.module_utils._slots.plan import Wanted, plan_slots

OPTIONS = {
    "present": {"type": "list", "elements": "str", "default": []},
    "absent": {"type": "list", "elements": "str", "default": []},
    "downstream": {"type": "list", "elements": "str", "default": []},
    "elsewhere": {"type": "list", "elements": "str", "default": []},
    "leaving": {"type": "list", "elements": "str", "default": []},
    "port": {"type": "int", "default": 5432},
    "data_directory": {"type": "path"},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        params = module.params
        socket = Socket(params["port"], read_only=module.check_mode)
        directory = Path(params["data_directory"] or "/nonexistent")
        wanted = Wanted(**{each: params[each] for each in ("present", "absent", "downstream", "elsewhere", "leaving")})
        found = slots.foreseen(socket, directory, wanted) if module.check_mode else slots.settled(socket, wanted)
        plan = plan_slots(wanted, found.slots, in_recovery=found.in_recovery)
        if plan.refusals:
            raise Refused(" ".join(plan.refusals))
        diff = {"diff": plan.diff(f"physical slots on port {params['port']}")} if plan.changed else {}
        module.report(changed=plan.changed, steps=[change.sentence for change in plan.changes], **diff)
        if not module.check_mode:
            slots.apply(socket, plan.changes)


if __name__ == "__main__":
    main()
