# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Give a node a private key, and ask for a certificate of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_tls_key
short_description: Give a node a private key, and ask for a certificate of it
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that a node has a private key of its own, readable by its owner alone. The key is made on the node and never
    leaves it; one that is there is never replaced.
  - Returns a request for a certificate with exactly the given names, to be signed elsewhere, and the certificate and
    authorities that the node has now.
options:
  directory:
    description:
      - Where the node's files are. The key is C(node.key), the certificate C(node.crt), the authorities C(ca.crt).
    type: path
    default: /etc/ssl/postgres
  owner:
    description:
      - The user that the key belongs to.
    type: str
    default: postgres
  group:
    description:
      - Its group.
    type: str
    default: postgres
  common_name:
    description:
      - The name that the request is for.
    type: str
    required: true
  names:
    description:
      - Host names and addresses that others reach the node by. Addresses are in the request as host names too, which
        is where libpq before 15 looks for them.
    type: list
    elements: str
    required: true
  owner_missing:
    description:
      - What to do when the owner is not there. V(report) returns RV(owner_exists) as false and does nothing.
      - V(fail) fails, and in check mode foresees what happens once the owner is there.
    type: str
    default: fail
    choices: [fail, report]
attributes:
  check_mode:
    description: Says whether a key would be made. Without a key there is no request and no hash of one.
    support: full
  diff_mode:
    description: Shows that a key appears, or its owner and mode; never its content.
    support: full
seealso:
  - module: runbook.postgres.pg_tls_files
"""

EXAMPLES = r"""
- name: This node has a key
  runbook.postgres.pg_tls_key:
    common_name: "{{ inventory_hostname }}"
    names: ["{{ inventory_hostname }}", 10.0.0.11]
  become: true
  register: node
"""

RETURN = r"""
owner_exists:
  description:
    - Whether the user that the key is to belong to is there.
  returned: success
  type: bool
new_key:
  description:
    - Whether the key was made by this run.
  returned: when the owner exists
  type: bool
public_key:
  description:
    - SHA-256 of the public key, in hexadecimal digits.
  returned: when the owner exists
  type: str
request:
  description:
    - A certificate request, in PEM. Made anew each time, which changes nothing.
  returned: when the owner exists
  type: str
certificate:
  description:
    - The certificate that the node has.
  returned: when the owner exists
  type: str
authorities:
  description:
    - The certificates of the authorities that the node trusts.
  returned: when the owner exists
  type: str
"""

from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._tls.key import Place, carry_out, plan_key, reported
from ansible_collections.runbook.postgres.plugins.module_utils._tls.names import certificate_names, common_name

OPTIONS = {
    "directory": {"type": "path", "default": "/etc/ssl/postgres"},
    "owner": {"type": "str", "default": "postgres"},
    "group": {"type": "str", "default": "postgres"},
    "common_name": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
    "owner_missing": {"type": "str", "default": "fail", "choices": ["fail", "report"]},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        options = module.params
        place = Place(Path(options["directory"]), options["owner"], options["group"])
        subject, names = common_name(options["common_name"]), certificate_names(options["names"])
        if not place.owner_exists:
            if options["owner_missing"] == "report":
                module.report(owner_exists=False)
                return
            if not module.check_mode:
                raise Refused(f"This host has no user {place.owner} yet: install the packages that bring it first.")
        plan = plan_key(place)
        key = plan.found if module.check_mode else carry_out(plan, place)
        module.report(**reported(plan, place, key, subject, names))


if __name__ == "__main__":
    main()
