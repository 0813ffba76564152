# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What of the other members keeps one that is down from being started."""

from __future__ import annotations

DOCUMENTATION = r"""
name: recovery_obstacles
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Whether a member that is down may come up again, as far as the others have to do with that
description:
  - A standby may at any time. What would come up as a primary may only where every other member was looked at, none of
    them is a primary, has data from a promotion after it, or would come up as a primary as well.
positional: _input
options:
  _input:
    description:
      - A cluster as P(runbook.postgres.cluster_seen#filter) makes it.
    type: dict
    required: true
  member:
    description:
      - The inventory name of the member that is down.
    type: str
    required: true
  gone:
    description:
      - Members that are known to be off, a list or names with commas between them. They need not be looked at.
    type: raw
    default: []
"""

EXAMPLES = r"""
- name: See whether the server may be started
  ansible.builtin.debug:
    msg: "{{ (hostvars | runbook.postgres.cluster_seen(postgres_hosts)
              | runbook.postgres.recovery_obstacles(inventory_hostname)).refusals }}"
"""

RETURN = r"""
_value:
  description:
    - C(primary), the other member that takes writes, or null, and C(refusals), sentences.
  type: dict
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.reviving import obstacles
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.wishes import named


def recovery_obstacles(cluster: Mapping[str, Any], member: str, gone: Any = ()) -> dict[str, Any]:
    try:
        return obstacles(member, cluster, named(gone))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"recovery_obstacles was given something else than a cluster ({type(error).__name__}: {error}): "
            "pass what cluster_seen makes of hostvars, and a member of it."
        ) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"recovery_obstacles": recovery_obstacles}
