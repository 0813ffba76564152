# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Documents the options of module_utils/_connection.py, once for all modules."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - Host name or address of the server. Empty means the unix socket of the managed host.
    type: str
    default: ''
  login_port:
    description:
      - Port of the server.
    type: int
    default: 5432
  login_user:
    description:
      - Role to connect as.
    type: str
    default: postgres
  login_password:
    description:
      - Password of O(login_user). Leave it out where peer authentication, a certificate or a passfile serves.
    type: str
  login_unix_socket:
    description:
      - Directory of the unix socket, used when O(login_host) is empty or V(localhost).
    type: str
    default: ''
  login_db:
    description:
      - Database to connect to first.
    type: str
    default: postgres
  ssl_mode:
    description:
      - What is asked of TLS. V(verify-full) is what a connection over a network should use.
    type: str
    choices: [allow, disable, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description:
      - File with the certificates of the authorities that may have signed the server's certificate.
    type: path
  ssl_cert:
    description:
      - File with the client's certificate.
    type: path
  ssl_key:
    description:
      - File with the client's private key.
    type: path
  connect_params:
    description:
      - Further libpq connection keywords, for example C(passfile) or C(target_session_attrs).
      - A password is refused here, since this dictionary is shown in logs; use O(login_password) or a passfile.
    type: dict
    default: {}
requirements:
  - psycopg2 2.8.6 or later on the host that runs the module
notes:
  - Over the unix socket with peer authentication, run the task as the database role's system user, usually with
    C(become_user=postgres).
"""
