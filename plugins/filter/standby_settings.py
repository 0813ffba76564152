# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Settings of which no standby may have less than its primary runs with."""

from __future__ import annotations

DOCUMENTATION = r"""
name: standby_settings
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Settings that keep a standby able to start
description:
  - A standby that starts with less than its primary runs with of C(max_connections), C(max_locks_per_transaction),
    C(max_prepared_transactions), C(max_wal_senders) or C(max_worker_processes) stops at once. Where one of these is
    given and is less, the primary's is returned in its place; all else is returned as it is.
positional: _input, primary
options:
  _input:
    description:
      - Names and values that the standby is to have.
    type: dict
    required: true
  primary:
    description:
      - Names and values that the primary runs with, as C(pg_node.instance.settings) has them. Nothing where it is not
        known.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Settings of a standby
  runbook.postgres.pg_settings:
    version: 15
    settings: >-
      {{ {'max_connections': 60} | runbook.postgres.standby_settings(hostvars['db1'].pg_node.instance.settings) }}
"""

RETURN = r"""
_value:
  description:
    - Names and values.
  type: dict
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.module_utils._instance.restart import at_least


def standby_settings(wanted: Mapping[str, Any], primary: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        return at_least(wanted, primary or {})
    except (AttributeError, TypeError) as error:
        raise AnsibleFilterError(
            f"standby_settings was given something else than settings ({type(error).__name__}: {error}): pass those "
            "that are wanted, and pg_node.instance.settings of the primary."
        ) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"standby_settings": standby_settings}
