# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who takes over when a primary is gone."""

from __future__ import annotations

DOCUMENTATION = r"""
name: failover_plan
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Decide who takes over when a cluster's primary is gone
description:
  - From what M(runbook.postgres.pg_node_facts) found on each member it decides which standby takes over, who is fenced
    before, in which steps, how much is lost, and what stands against it. Nobody is asked and nothing is changed.
  - A primary counts as gone when two say so, this controller and a standby that gets no WAL any more, a witness, or its
    own host. While a standby streams from it, it is alive.
  - Whoever is not seen to be a standby may be the primary, and is fenced before anybody is promoted. Decide once to see
    who that is, and again with O(fenced) and O(promoting) when it is proven.
  - Timelines are compared by their history, and where members are on different ones a person has to say on which the
    cluster lived.
  - Where commits waited for standbys, a candidate has all that was acknowledged, or there is a refusal. Without that
    nobody knows what is lost unless the primary stopped in order, and O(allow_data_loss) is needed.
  - Where somebody takes writes nobody is promoted, and the steps are those that a run which was killed may have left.
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
  timeline:
    description:
      - The timeline that the clients used last, where members are on different ones.
    type: int
  synchronous:
    description:
      - The setting C(synchronous_standby_names) that the inventory wants, beside what the members say.
    type: str
  witnesses:
    description:
      - By the name of who looked, by the name of a member that may be the primary, whether its server answered there,
        as M(runbook.postgres.pg_reach_info) tells it.
    type: dict
    default: {}
  fenced:
    description:
      - Names of members of which it is proven that they take no writes and will not.
    type: list
    elements: str
    default: []
  promoting:
    description:
      - Refuse unless all who may be the primary are O(fenced).
    type: bool
    default: false
  max_lag_bytes:
    description:
      - How much of what another member has the candidate may lack, and how much it may have to replay. It holds with
        O(allow_data_loss) as well.
    type: int
    default: 16777216
  allow_data_loss:
    description:
      - Accept that something is lost, known or not. O(force) does not imply it.
    type: bool
    default: false
  without_synchronous:
    description:
      - Have commits wait for no standby, where so few would be there that each commit waited for ever.
    type: bool
    default: false
  force:
    description:
      - Go on with little room for WAL, or with too few slots or senders. It accepts nothing else.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Say what would be done, on what evidence
  ansible.builtin.debug:
    msg: "{{ plan.refusals | map(attribute='sentence') | list or plan.evidence }}"
  vars:
    plan: "{{ preflight_cluster | runbook.postgres.failover_plan(postgres_topology, witnesses=seen_by) }}"
    seen_by: {pool1: {db1: false}}
"""

RETURN = r"""
_value:
  description:
    - C(candidate) is the member that takes over, null where there is a refusal, C(primary) the old one where it can
      only be one. They are the same where somebody takes writes already.
    - C(fence) are those without a proof that they are kept from taking writes, C(siblings) the standbys that follow
      the candidate, C(poolers) those that are led to it.
    - C(steps) are in order, each with C(step) (V(fence), V(pause), V(keep), V(promote), V(synchronous), V(repoint),
      V(follow) or V(verify)), C(node) and C(sentence).
    - C(refusals) have a C(code) that stays the same, a C(sentence) and the C(node) that it is about, or null.
    - C(evidence) are sentences about what the decision rests on. C(loss_bytes) is what is lost of what was
      acknowledged, null where nobody can tell, C(reached) up to where the candidate has WAL. C(commits_wait) says that
      commits wait for standbys that are not there.
  type: dict
"""

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.runbook.postgres.plugins.module_utils._failover.failover import Wish, plan
from ansible_collections.runbook.postgres.plugins.module_utils._failover.snapshot import taken


def failover_plan(
    cluster: Mapping[str, Any],
    topology: Mapping[str, Any],
    to: Any = None,
    timeline: Any = None,
    synchronous: Any = None,
    witnesses: Mapping[str, Mapping[str, Any]] | None = None,
    fenced: Iterable[str] = (),
    promoting: Any = False,
    max_lag_bytes: Any = Wish.max_lag_bytes,
    allow_data_loss: Any = False,
    without_synchronous: Any = False,
    force: Any = False,
) -> dict[str, Any]:
    try:
        wish = Wish(
            str(to) if to else None,
            int(timeline) if timeline else None,
            None if synchronous is None else str(synchronous),
            _by_server(witnesses or {}),
            frozenset(fenced.split(",") if isinstance(fenced, str) else fenced),
            _yes(promoting),
            int(max_lag_bytes),
            _yes(allow_data_loss),
            _yes(without_synchronous),
            _yes(force),
        )
        return plan(taken(cluster, topology), wish).result()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            "failover_plan was given something else than a cluster, its topology and what is known of it "
            f"({type(error).__name__}: {error}): pass what cluster_seen and topology return, and yes or no as such."
        ) from error


def _by_server(witnesses: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, bool]]:
    found: dict[str, dict[str, bool]] = {}
    for who, told in witnesses.items():
        for name, reached in told.items():
            found.setdefault(name, {})[who] = _yes(reached)
    return found


def _yes(given: Any) -> bool:
    """The command line gives texts, and its false would count as true; what is neither must not count as a no."""
    return bool(boolean(given))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"failover_plan": failover_plan}
