# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Keep who may log in from where: pg_hba.conf and pg_ident.conf."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_hba
short_description: Keep who may log in from where
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States that C(pg_hba.conf) and C(pg_ident.conf) of an instance hold exactly these rules and maps, and that the
    server has them in force.
  - Rules that let anybody in, that send or keep passwords badly, that let connections in without encryption, that no
    login can ever reach, or that would keep this module itself out are refused before anything is changed.
  - The server reads the new files before they count; what it cannot read is taken back, and nothing is reloaded.
  - After the reload a new login proves the rules. If it fails the old files come back and are reloaded.
  - Whatever stands in the files beyond that, comments included, is drift; the diff shows it.
  - A server that is stopped gets its files and is asked about them by the next run that finds it running.
options:
  version:
    description:
      - Major version of the instance.
    type: int
    required: true
  instance:
    description:
      - Its name, as Debian's C(pg_lsclusters) shows it.
    type: str
    default: main
  port:
    description:
      - Its port, which names its socket.
    type: int
    default: 5432
  rules:
    description:
      - The rules, in order. The first that matches a login decides; a login that none matches is refused.
    type: list
    elements: dict
    required: true
    suboptions:
      type:
        description:
          - Which connections the rule is about. V(local) is the socket, V(hostssl) TCP with TLS.
        type: str
        required: true
        choices: [local, host, hostssl, hostnossl, hostgssenc, hostnogssenc]
      databases:
        description:
          - Names of databases, or one of the keywords V(all), V(sameuser), V(samerole), V(samegroup) and
            V(replication). A name that is also a keyword stands in double quotes, as in V("all").
          - From PostgreSQL 16 on V(/expression) is a regular expression.
          - Other names need no quotes, whatever they hold.
        type: list
        elements: str
        default: [all]
      users:
        description:
          - Names of roles, V(all), or V(+name) for the members of a role; quotes and expressions as for databases.
        type: list
        elements: str
        default: [all]
      addresses:
        description:
          - Where the connection comes from. Addresses and networks such as V(10.0.0.7), V(10.0.0.0/24) and
            V(fd00::/8), host names, V(.example.com) for all names that end so, V(samehost), V(samenet) or V(all).
          - One line is written for each. Not for type V(local), and needed by all others.
        type: list
        elements: str
        default: []
      method:
        description:
          - How whoever matches has to prove who they are, such as V(scram-sha-256), V(cert), V(peer) or V(reject).
        type: str
        required: true
      options:
        description:
          - Options of the method, such as C(map) or C(clientcert).
          - Values of C(ldapbindpasswd) and C(radiussecrets) are hidden in diffs and results.
        type: dict
        default: {}
      comment:
        description:
          - A comment above the rule.
        type: str
  maps:
    description:
      - The entries of C(pg_ident.conf), which say who a system user or a certificate's name may log in as.
    type: list
    elements: dict
    default: []
    suboptions:
      map:
        description:
          - The name of the map, which rules refer to by the option C(map).
        type: str
        required: true
      system_user:
        description:
          - The name that the method found, a certificate's common name for instance, or V(/expression).
        type: str
        required: true
      database_user:
        description:
          - The role that may be logged in as.
        type: str
        required: true
  allow:
    description:
      - What is used although it is refused otherwise. V(plain_network) stands for rules that let connections in
        over the network without encryption, the others for the methods of their names.
      - No method among them is taken for the whole world.
    type: list
    elements: str
    default: []
    choices: [trust, ident, md5, password, plain_network]
  prove:
    description:
      - Logins that have to work with the new rules, beside the module's own. Each is a dictionary of libpq's
        connection keywords, tried on the managed host as the system user postgres.
      - Passwords come from a passfile there.
    type: list
    elements: dict
    default: []
  timeout:
    description:
      - Seconds to wait for the server's answer to a question, a login or a reload.
    type: int
    default: 10
attributes:
  check_mode:
    description: >-
      Says what would be written and reloaded, also on a host where nothing is installed yet.
      What only the server can find wrong is found by the real run, which then takes it back.
    support: full
  diff_mode:
    description: Shows both files in full, before and after.
    support: full
notes:
  - Runs as root on the managed host and asks the server over its socket as the system user postgres.
  - Needs no driver there.
  - Reloading ends no session. Sessions that the new rules would refuse go on until they end by themselves.
"""

EXAMPLES = r"""
- name: The application, over TLS, and its nightly reports by certificate
  runbook.postgres.pg_hba:
    version: 15
    rules:
      - type: local
        users: [postgres]
        method: peer
      - type: hostssl
        databases: [shop]
        users: [shop]
        addresses: [10.0.0.0/24]
        method: scram-sha-256
      - type: hostssl
        databases: [shop]
        users: [reports]
        addresses: [reports.example.com]
        method: cert
        options:
          map: reports
    maps:
      - map: reports
        system_user: reports.example.com
        database_user: reports
  become: true
"""

RETURN = r"""
changes:
  description:
    - What was done, or would be, in a line each.
  returned: success
  type: list
  elements: str
  sample: [replace /etc/postgresql/15/main/pg_hba.conf, reload the server]
reload:
  description:
    - Whether the server was told to reload.
  returned: success
  type: bool
hba_file:
  description:
    - The file with the rules.
  returned: success
  type: str
  sample: /etc/postgresql/15/main/pg_hba.conf
ident_file:
  description:
    - The file with the maps.
  returned: success
  type: str
  sample: /etc/postgresql/15/main/pg_ident.conf
server:
  description:
    - How the server was found, V(running), V(stopped), or V(closed) when it ran and did not let the module in.
  returned: success
  type: str
  sample: running
warnings:
  description:
    - Rules that change nothing, because one above says the same of more logins.
  returned: when there are some
  type: list
  elements: str
"""

from ansible_collections.runbook.postgres.plugins.module_utils._hba.apply import Rules, observe
from ansible_collections.runbook.postgres.plugins.module_utils._hba.plan import plan_rules, reported
from ansible_collections.runbook.postgres.plugins.module_utils._hba.request import read_request
from ansible_collections.runbook.postgres.plugins.module_utils._hba.rules import HBA_OPTIONS, secrets
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module


def main() -> None:
    with Module(HBA_OPTIONS, driver=False, logged=False) as module:
        module.hide(secrets(module.params["rules"]))
        wish, way, prove = read_request(module.params)
        rules = Rules(way, prove)
        found = observe(way)
        if not module.check_mode:
            found = rules.recover(found)
        plan = plan_rules(wish, found)
        if plan.refusals:
            rules.give_up(plan, found, pretend=module.check_mode)
        if not module.check_mode:
            rules.carry_out(plan, found)
        module.report(**reported(plan, found))


if __name__ == "__main__":
    main()
