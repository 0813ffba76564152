# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The variables that this collection's roles take, as their own specifications say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SHARED = "postgres"

# Roles of hosts that are no members of a cluster: what begins with these words elsewhere is somebody's own, such as
# the client_id of an application.
OF_OTHERS = frozenset({"client"})

# What playbooks take that begins like a variable of a role and is none.
OF_PLAYBOOKS = frozenset(
    {
        "backup_defaults",
        "backup_hosts",
        "backup_login",
        "backup_on",
        "backup_verify_by",
        "backup_verify_hosts",
        "backup_verify_id",
        "backup_verify_identity",
        "backup_verify_login",
        "backup_verify_max_age",
        "failover_allow_data_loss",
        "failover_claim_seconds",
        "failover_force",
        "failover_max_lag_bytes",
        "failover_of",
        "failover_pause_limit",
        "failover_timeline",
        "failover_to",
        "failover_without_synchronous",
        "patroni_of",
        "schedule_hosts",
    }
)


@dataclass(frozen=True)
class Known:
    """Names of variables, and the first words of names that belong to the roles."""

    names: frozenset[str]
    prefixes: frozenset[str]
    # What the roles take, by name.
    options: Mapping[str, Mapping[str, Any]]


def known(specifications: Mapping[str, Iterable[Mapping[str, Any]]]) -> Known:
    """From each role's name and its entry points; what playbooks take beside them is known as well."""
    options = {
        name: option
        for points in specifications.values()
        for point in points
        for name, option in (point.get("options") or {}).items()
    }
    return Known(frozenset(options) | OF_PLAYBOOKS, frozenset({*specifications, SHARED} - OF_OTHERS), options)
