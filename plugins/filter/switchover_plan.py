# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""To whom a primary is switched over."""

from __future__ import annotations

DOCUMENTATION = r"""
name: switchover_plan
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Decide how a cluster's primary moves to another member while all is well
description:
  - From what M(runbook.postgres.pg_node_facts) found on each member it decides which standby takes over, in which
    steps, and what stands against it. Nobody is asked and nothing is changed.
  - A cluster that Patroni keeps is handed over by Patroni. What it says of itself then stands against a candidate, or
    the whole, as well.
  - A member that does not stream from the primary, went another way, replays with a delay or not at all, or lacks
    slots, senders or room is not promoted. A program that promotes by itself, and that is not asked to do it, stands
    against the whole, and unless forced so does a member or pooler that could not be looked at. A switchover loses
    nothing, so that there is no option which would let it.
positional: _input, topology
options:
  _input:
    description:
      - The cluster as P(runbook.postgres.cluster_seen#filter) returns it.
    type: dict
    required: true
  topology:
    description:
      - What P(runbook.postgres.topology#filter) decided from it.
    type: dict
    required: true
  to:
    description:
      - Name of the member that is to be primary. Left out or empty, the most advanced of those that can be.
    type: str
  max_lag_bytes:
    description:
      - How much the member may have to receive and replay, since clients wait meanwhile.
    type: int
    default: 16777216
  force:
    description:
      - Go on although members or poolers could not be looked at; they are left as they are.
    type: bool
    default: false
  patroni:
    description:
      - What M(runbook.postgres.pg_patroni_info) returned on each member, by its name in the inventory, where Patroni is
        to be asked. Left out, a Patroni that runs on a member stands against the switchover.
    type: dict
"""

EXAMPLES = r"""
- name: Say where the primary would go
  ansible.builtin.debug:
    msg: "{{ plan.refusals | map(attribute='sentence') | list or plan.steps | map(attribute='sentence') | list }}"
  vars:
    plan: "{{ preflight_cluster | runbook.postgres.switchover_plan(postgres_topology, to='db2') }}"
"""

RETURN = r"""
_value:
  description:
    - C(primary) is the member that takes writes now and C(candidate) the one that is to. They are the same, and there
      are no steps, where it is primary already; C(candidate) is null where there is a refusal.
    - C(siblings) are the standbys that follow the candidate then, C(poolers) those that are led to it.
    - C(steps) are in order, each with C(step) (V(checkpoint), V(pause), V(stop), V(prove), V(promote), V(repoint),
      V(rejoin), V(follow) or V(verify)), C(node) and C(sentence). Where Patroni is asked there is V(ask) in place of
      V(stop), V(prove) and V(promote), and who follows is its own.
    - C(refusals) have a C(code) that stays the same, a C(sentence) and the C(node) that it is about, or null.
    - C(evidence) are sentences about what the decision rests on, C(loss_bytes) is 0, and C(commits_wait) is true where
      commits wait for a standby until the old primary is back as one.
  type: dict
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.runbook.postgres.plugins.module_utils._failover.keeper import asked
from ansible_collections.runbook.postgres.plugins.module_utils._failover.snapshot import taken
from ansible_collections.runbook.postgres.plugins.module_utils._failover.switchover import Wish, plan


def switchover_plan(
    cluster: Mapping[str, Any],
    topology: Mapping[str, Any],
    to: Any = None,
    max_lag_bytes: Any = Wish.max_lag_bytes,
    force: Any = False,
    patroni: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    try:
        # The command line gives texts, and its false would count as true.
        wish = Wish(str(to) if to else None, int(max_lag_bytes), bool(boolean(force, strict=False)))
        seen = taken(cluster, topology)
        if patroni is not None:
            seen = replace(seen, keeper=asked(patroni, seen.primary.name if seen.primary else None))
        return plan(seen, wish).result()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            "switchover_plan was given something else than a cluster and its topology "
            f"({type(error).__name__}: {error}): pass what cluster_seen and topology return."
        ) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"switchover_plan": switchover_plan}
