# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Keep a node's certificate and authorities, and have them loaded without a restart."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_tls_files
short_description: Keep a node's certificate and authorities
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that a node has this certificate and trusts these authorities, with the owner and modes that PostgreSQL and
    PgBouncer want, and that those of the given units which run have loaded them.
  - Units are reloaded, never restarted, and one that does not run is not started.
  - A run that is killed between writing and reloading is recognised by the next one, which reloads.
options:
  directory:
    description:
      - Where the node's files are.
    type: path
    default: /etc/ssl/postgres
  owner:
    description:
      - The user that the files belong to.
    type: str
    default: postgres
  group:
    description:
      - Its group.
    type: str
    default: postgres
  certificate:
    description:
      - The certificate in PEM, and those of intermediate authorities below it.
      - May be missing in check mode only, where it stands for one that is not signed yet.
    type: str
  authorities:
    description:
      - Certificates of the authorities to trust, in PEM. May be missing as OV(certificate) may.
    type: str
  key:
    description:
      - The private key in PEM, for a certificate that comes with one. The key on the node stays as it is unless given.
    type: str
  units:
    description:
      - The systemd units that use the files.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Says which files would be written and which units reloaded, also on a host that has none of them yet.
    support: full
  diff_mode:
    description: Shows the certificates; of the key, that it changes.
    support: full
seealso:
  - module: runbook.postgres.pg_tls_key
"""

EXAMPLES = r"""
- name: The certificate that was signed for this node
  runbook.postgres.pg_tls_files:
    certificate: "{{ signed.certificate }}"
    authorities: "{{ lookup('ansible.builtin.file', 'ca/ca.crt') }}"
    units: [postgresql@15-main.service]
  become: true
"""

RETURN = r"""
changes:
  description:
    - What was done, or would be, in a line each.
  returned: success
  type: list
  elements: str
  sample: [replace /etc/ssl/postgres/node.crt, reload postgresql@15-main.service]
reloaded:
  description:
    - The units that were reloaded, or would be.
  returned: success
  type: list
  elements: str
"""

from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._tls.install import carry_out, plan_files, reported
from ansible_collections.runbook.postgres.plugins.module_utils._tls.key import Place

OPTIONS = {
    "directory": {"type": "path", "default": "/etc/ssl/postgres"},
    "owner": {"type": "str", "default": "postgres"},
    "group": {"type": "str", "default": "postgres"},
    "certificate": {"type": "str"},
    "authorities": {"type": "str"},
    "key": {"type": "str", "no_log": True},
    "units": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        options = module.params
        place = Place(Path(options["directory"]), options["owner"], options["group"])
        if not module.check_mode and not (options["certificate"] and options["authorities"]):
            raise Refused("certificate and authorities are needed: give both.")
        plan = plan_files(place, options, foreseen=module.check_mode)
        if not module.check_mode:
            carry_out(plan, place)
        module.report(**reported(plan))


if __name__ == "__main__":
    main()
