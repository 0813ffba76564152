# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a server is fenced."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fencing_proof
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Tell from what hosts found whether a server is fenced
description:
  - Takes what M(runbook.postgres.pg_fence) returned on several hosts and says whether it proves, together, what is
    demanded. Without a proof no other server may be promoted.
  - V(stop) is proven by the server's own host alone. V(command) is proven by its proof. V(block) is proven when each
    host in C(everyone) shows that it is kept apart from each of C(addresses); one that was not reached proves nothing.
positional: _input, policy
options:
  _input:
    description:
      - A dictionary per host, with C(on), the host's name, and with what the module returned there by method, C(stop),
        C(command) and C(block). A method that was not called may be missing.
    type: list
    elements: dict
    required: true
  policy:
    description:
      - C(host), the name of the server, C(all_of) and C(any_of), lists of methods, C(addresses) of the server, and
        C(everyone), names of the hosts that V(block) has to be proven on.
      - Where both lists are given both have to be satisfied.
    type: dict
    required: true
  foreseen:
    description:
      - Whether what a run in check mode says it would do counts as done.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Promote nobody while the old primary may live
  ansible.builtin.assert:
    that: proof.proven
    fail_msg: "{{ proof.reasons | join(' ') }}"
  vars:
    policy:
      host: db1
      any_of: [stop, block]
      addresses: [192.0.2.11]
      everyone: [db2, db3, pool1]
    proof: "{{ found | runbook.postgres.fencing_proof(policy) }}"
"""

RETURN = r"""
_value:
  description:
    - C(proven), and C(reasons), sentences that say why not.
  type: dict
"""

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.runbook.postgres.plugins.module_utils._fencing.proof import demand, entries, unproven


def fencing_proof(
    results: Iterable[Mapping[str, Any]], policy: Mapping[str, Any], foreseen: Any = False
) -> dict[str, Any]:
    try:
        counted = bool(boolean(foreseen, strict=False))
        reasons = unproven(entries(results), demand(policy), foreseen=counted)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"fencing_proof was given something else than results and a policy ({type(error).__name__}: {error}): "
            "pass what pg_fence returned on each host, as its documentation shows."
        ) from error
    return {"proven": not reasons, "reasons": reasons}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"fencing_proof": fencing_proof}
