# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Why standbys are behind, and which of them readers are kept from."""

from __future__ import annotations

DOCUMENTATION = r"""
name: replica_lag
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Why standbys are behind, and which of them readers are kept from
description:
  - Names one cause for each standby that is behind, and decides who serves reads. A standby that is further behind than
    O(over) serves none until it is less than O(back) behind; in between it stays as it was.
positional: _input
options:
  _input:
    description:
      - Of each standby, by its name in the inventory, C(seen), what M(runbook.postgres.pg_replica_lag_info) returned,
        C(member), its name in PostgreSQL, and C(away), whether readers are kept from it now.
    type: dict
    required: true
  primary:
    description:
      - C(name) of the primary and what M(runbook.postgres.pg_replica_lag_info) returned of it.
    type: dict
    required: true
  over:
    description:
      - Seconds.
    type: float
    default: 30
  back:
    description:
      - Seconds, less than O(over).
    type: float
    default: 10
"""

EXAMPLES = r"""
- name: See who is behind and why
  ansible.builtin.debug:
    msg: "{{ standbys | runbook.postgres.replica_lag(primary) }}"
"""

RETURN = r"""
_value:
  description:
    - Of each standby C(seconds) and C(bytes) that it is behind, C(cause) (V(paused), V(apply_delay), V(conflict),
      V(missing_wal), V(not_receiving), V(network), V(disk), V(replay), or null), C(sentence), C(away), whether readers
      are to be kept from it, and C(moves), whether that is new.
  type: dict
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.module_utils._lag.cause import Limits, judge


def replica_lag(
    standbys: Mapping[str, Any], primary: Mapping[str, Any], over: Any = 30, back: Any = 10
) -> dict[str, dict[str, Any]]:
    try:
        limits = Limits(float(over), float(back))
        return {name: _told(name, each, primary, limits) for name, each in standbys.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"replica_lag was given something else than servers ({type(error).__name__}: {error}): pass what "
            "pg_replica_lag_info returned of each."
        ) from error


def _told(name: str, given: Mapping[str, Any], primary: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    lag = judge(name, given["seen"], {**primary, "slot": given["member"]}, limits, away=bool(given["away"]))
    return {
        "seconds": lag.seconds,
        "bytes": lag.size,
        "cause": lag.cause,
        "sentence": lag.sentence,
        "away": lag.away,
        "moves": lag.moves,
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, dict[str, Any]]]]:
        return {"replica_lag": replica_lag}
