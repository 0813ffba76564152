# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a host's pgBackRest is told of one cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_config
short_description: Keep the files that pgBackRest reads on a host
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - States what pgBackRest on this host knows of one cluster, its servers, its repositories and how they are reached.
    The role P(runbook.postgres.backup#role) calls it on servers and on a repository host.
  - Writes C(/etc/pgbackrest/pgbackrest.conf), which all clusters of the host share, C(conf.d/<stanza>.conf) and, with
    what is secret, C(conf.d/<stanza>.secrets.conf), whose content no diff shows. They belong to root, and postgres
    reads them.
  - Directories of repositories on a disk of this host are made.
options:
  stanza:
    description:
      - What the cluster is called in repositories.
    type: str
    required: true
  members:
    description:
      - The servers of the cluster that this host backs up, or itself alone.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description:
          - The name by which it is reached, which has to stand in its certificate. Without one it is this host.
        type: str
      path:
        description:
          - Its data directory.
        type: path
        required: true
      port:
        description:
          - The port of its server.
        type: int
        default: 5432
  repositories:
    description:
      - Where backups and WAL are kept. Their order gives them their numbers, so that a new one goes last.
    type: list
    elements: dict
    required: true
    suboptions:
      type:
        description:
          - A directory, or a bucket of a store that speaks S3.
        type: str
        choices: [disk, s3]
        default: disk
      path:
        description:
          - The directory, or the path within the bucket.
        type: str
        default: /var/lib/pgbackrest
      shared:
        description:
          - Whether several servers mount the same directory there. Nothing is done about it here; the role looks at it.
        type: bool
        default: false
      passphrase:
        description:
          - What everything in it is encrypted with, by AES-256. It cannot be changed later, and without it nothing
            can be restored.
        type: str
      retention:
        description:
          - What is kept.
        type: dict
        suboptions:
          full:
            description:
              - How many full backups, or days of them.
            type: int
          full_type:
            description:
              - Whether O(repositories[].retention.full) counts backups or days.
            type: str
            choices: [count, time]
            default: count
          diff:
            description:
              - How many differential backups, each with the incremental ones after it. By default as long as the full
                one that they need.
            type: int
      bucket:
        description:
          - Name of the bucket.
        type: str
      endpoint:
        description:
          - Name of the store's host.
        type: str
      region:
        description:
          - The store's region.
        type: str
      port:
        description:
          - The store's port, where it is not 443.
        type: int
      key:
        description:
          - The store's access key.
        type: str
      key_secret:
        description:
          - Its secret.
        type: str
      uri_style:
        description:
          - Whether the bucket stands in the host's name or in the path.
        type: str
        choices: [host, path]
      ca_file:
        description:
          - Authorities that the store's certificate is checked against, where they are not the system's.
        type: path
      verify_tls:
        description:
          - Whether the store's certificate is checked.
        type: bool
        default: true
      settings:
        description:
          - Any other option of a repository by its name without its number, such as C(bundle).
        type: dict
        default: {}
  repository_host:
    description:
      - Name of the host that keeps the repositories. Its own configuration says what they are, and nothing of that is
        written here.
    type: str
  authorized:
    description:
      - Names in the certificates of hosts that may ask this one, over TLS.
    type: list
    elements: str
    default: []
  tls_directory:
    description:
      - Where C(ca.crt), C(node.crt) and C(node.key) are.
    type: path
    default: /etc/ssl/postgres
  tls_port:
    description:
      - Where pgBackRest listens.
    type: int
    default: 8432
  settings:
    description:
      - Any other option of pgBackRest by its name, for this cluster.
    type: dict
    default: {}
seealso:
  - module: runbook.postgres.pgbackrest_stanza
attributes:
  check_mode:
    support: full
    description: Says what a run would do, also on a host where pgBackRest is still to be installed.
  diff_mode:
    support: full
    description: The files before and after; of the one with secrets only that it differs.
  platform:
    support: full
    platforms: debian
    description: Debian's layout is what it knows.
"""

EXAMPLES = r"""
- name: Backups of this host's server in a bucket, encrypted, full ones of the last 30 days
  runbook.postgres.pgbackrest_config:
    stanza: orders
    members:
      - path: /var/lib/postgresql/15/main
    repositories:
      - type: s3
        path: /orders
        bucket: backups
        endpoint: s3.example.net
        region: eu-central-1
        key: "{{ vault_backup_key }}"
        key_secret: "{{ vault_backup_key_secret }}"
        passphrase: "{{ vault_backup_passphrase }}"
        retention:
          full: 30
          full_type: time
"""

RETURN = r"""
steps:
  description: What was done, or would be.
  type: list
  elements: str
  returned: always
  sample: [make /srv/backup, replace /etc/pgbackrest/conf.d/orders.conf]
"""

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.files import apply, plan
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.options import Member, Tls, Wish, hidden

REPOSITORY: dict[str, dict[str, Any]] = {
    "type": {"type": "str", "choices": ["disk", "s3"], "default": "disk"},
    "path": {"type": "str", "default": "/var/lib/pgbackrest"},
    "shared": {"type": "bool", "default": False},
    "passphrase": {"type": "str", "no_log": True},
    "retention": {
        "type": "dict",
        "options": {
            "full": {"type": "int"},
            "full_type": {"type": "str", "choices": ["count", "time"], "default": "count"},
            "diff": {"type": "int"},
        },
    },
    "bucket": {"type": "str"},
    "endpoint": {"type": "str"},
    "region": {"type": "str"},
    "port": {"type": "int"},
    "key": {"type": "str", "no_log": True},
    "key_secret": {"type": "str", "no_log": True},
    "uri_style": {"type": "str", "choices": ["host", "path"]},
    "ca_file": {"type": "path"},
    "verify_tls": {"type": "bool", "default": True},
    "settings": {"type": "dict", "default": {}},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "stanza": {"type": "str", "required": True},
    "members": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "host": {"type": "str"},
            "path": {"type": "path", "required": True},
            "port": {"type": "int", "default": 5432},
        },
    },
    "repositories": {"type": "list", "elements": "dict", "required": True, "options": REPOSITORY},
    "repository_host": {"type": "str"},
    "authorized": {"type": "list", "elements": "str", "default": []},
    "tls_directory": {"type": "path", "default": "/etc/ssl/postgres"},
    "tls_port": {"type": "int", "default": 8432},
    "settings": {"type": "dict", "default": {}},
}


def wish(options: dict[str, Any]) -> Wish:
    return Wish(
        options["stanza"],
        tuple(Member(each["path"], each["port"], each["host"]) for each in options["members"]),
        options["repositories"],
        options["repository_host"],
        Tls(options["tls_directory"], options["tls_port"], tuple(options["authorized"])),
        options["settings"],
    )


def main() -> None:
    with Module(OPTIONS, driver=False) as module:
        wanted = wish(module.params)
        module.hide(hidden(wanted))
        planned = plan(wanted)
        if not module.check_mode:
            apply(planned)
        module.report(changed=planned.changed, diff=planned.diff(), steps=planned.sentences)


if __name__ == "__main__":
    main()
