# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Documents UPSTREAM_OPTIONS of module_utils/_standby/conninfo.py, once for all modules."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  version:
    description:
      - Major version of PostgreSQL. Its packages have to be installed.
    type: int
    required: true
  instance:
    description:
      - Name of the instance, as Debian's tools have it.
    type: str
    default: main
  port:
    description:
      - Port that the instance is registered with.
    type: int
    default: 5432
  upstream_port:
    description:
      - Port of the upstream.
    type: int
    default: 5432
  user:
    description:
      - Role with the right to replicate.
    type: str
    default: replicator
  sslmode:
    description:
      - What is asked of TLS.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: verify-full
  sslrootcert:
    description:
      - File with the certificates of the authorities that may have signed the upstream's certificate.
    type: path
  sslcert:
    description:
      - File with this host's certificate.
    type: path
  sslkey:
    description:
      - File with the key of O(sslcert), which the system user postgres can read.
    type: path
  passfile:
    description:
      - File with the password of O(user), as libpq reads it, for servers that do not take a certificate.
      - There is no option for the password itself, since programs would show it in their arguments.
    type: path
  system_identifier:
    description:
      - The cluster that is meant. Whatever the upstream says of itself unless given.
    type: str
  connect_timeout:
    description:
      - Seconds after which an upstream that does not answer is given up.
    type: int
    default: 10
"""
