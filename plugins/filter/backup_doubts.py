# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Why the latest backup of one host may not be the latest one."""

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_doubts
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Whether what one host has as its latest backup is the latest there is
description:
  - Backups lie where they were taken. After a failover the latest one of the new primary may be months old, and that
    of the last night with the old one.
  - Compares what M(runbook.postgres.pg_backup_info) told of each host. Those count that M(runbook.postgres.pg_restore)
    could take for the latest, which hold the whole database, or the tables that are meant, and none that a restore took
    of what it replaced.
positional: _input, hosts, here
options:
  _input:
    description:
      - The variables of all hosts, C(hostvars).
    type: dict
    required: true
  hosts:
    description:
      - The hosts that may have backups.
    type: list
    elements: str
    required: true
  here:
    description:
      - The host whose latest backup is meant.
    type: str
    required: true
  told:
    description:
      - The variable that holds the module's result. A host that lacks it could not be asked, nor could one whose result
        has no list of backups.
    type: str
    default: restore_has
  tables:
    description:
      - The tables that are to be restored, where it is not the whole database.
    type: list
    elements: str
    default: []
  schemas:
    description:
      - The schemas that are to be restored, which are taken from a backup of the whole database.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Refuse to take for the latest what may not be that
  ansible.builtin.assert:
    that: doubts | length == 0
    fail_msg: "{{ doubts | join('; ') }}."
  vars:
    doubts: "{{ hostvars | runbook.postgres.backup_doubts(ansible_play_hosts_all, inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description:
    - A part of a sentence for each doubt; empty when there is none.
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.module_utils._backup.fitting import Asked
from ansible_collections.runbook.postgres.plugins.module_utils._backup.newest import doubts


def backup_doubts(
    hostvars: Mapping[str, Mapping[str, Any]],
    hosts: Sequence[str],
    here: str,
    told: str = "restore_has",
    tables: Sequence[str] = (),
    schemas: Sequence[str] = (),
) -> list[str]:
    try:
        has = {host: (hostvars[host].get(told) or {}).get("backups") for host in hosts}
        return list(doubts(here, has, Asked(tables or (), schemas or ())))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"backup_doubts was given something else than hosts ({type(error).__name__}: {error}): "
            "pass hostvars, a list of inventory names and one of them."
        ) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"backup_doubts": backup_doubts}
