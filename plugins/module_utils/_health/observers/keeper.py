# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ask Patroni. What it says counts also where its server does not answer."""

from __future__ import annotations

from dataclasses import fields, replace

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import keeper as catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Seen
from ansible_collections.runbook.postgres.plugins.module_utils._patroni_api import told


def ask_keeper(interview: Interview) -> None:
    """One that cannot be asked is a finding, not a gap: nobody fails over then."""
    api = interview.scope.patroni
    if api is None or not interview.wants(catalog.KEEPER) or interview.late("patroni", None):
        return
    try:
        seen = told(replace(api, seconds=min(interview.scope.connect_seconds, interview.remaining())))
    except Problem as problem:
        interview.observed.add(catalog.KEEPER_DOWN, [Seen(None, catalog.KeeperDown(problem.sentence))])
        return
    own = catalog.Keeper(
        seen.scope,
        seen.version,
        seen.role,
        seen.state,
        seen.timeline,
        seen.paused,
        seen.pending_restart,
        seen.leader,
        seen.etcd_age_seconds,
    )
    interview.observed.add(catalog.KEEPER, [Seen(None, own)])
    known = [field.name for field in fields(catalog.KeptMember)]
    members = [catalog.KeptMember(**{name: each[name] for name in known}) for each in seen.members]
    interview.observed.add(catalog.KEPT_MEMBERS, [Seen(None, each) for each in members])
