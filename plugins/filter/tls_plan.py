# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a node needs a new certificate, as a filter for roles."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tls_plan
short_description: Say whether a node needs a new certificate
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
description:
  - Compares what M(runbook.postgres.pg_tls_key) found with what is wanted, and vets the node's request.
  - With V(key) among what is wanted it looks whether files that were brought along fit together.
  - Needs the Python package cryptography on the controller.
options:
  _input:
    description:
      - The result of M(runbook.postgres.pg_tls_key); anything for files that were brought along.
    type: dict
    required: true
  wanted:
    description:
      - C(common_name), C(names), C(authorities) in PEM with the signing one first, C(renew_before), C(valid_for) and
        C(place), which is how messages name the authority; or C(certificate), C(key), C(authorities) and so on.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say why this node needs a new certificate
  ansible.builtin.debug:
    msg: "{{ (node | runbook.postgres.tls_plan(wanted)).why }}"
"""

RETURN = r"""
_value:
  description:
    - C(why), C(not_after), C(refusal) and C(warnings).
  type: dict
"""

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._tls.judge import CRYPTOGRAPHY_MISSING, judge, judge_own


def tls_plan(node: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    if CRYPTOGRAPHY_MISSING:
        raise AnsibleFilterError(
            "Certificates are judged by the Python package cryptography: install it beside Ansible."
        )
    now = datetime.now(timezone.utc)
    try:
        verdict = judge_own(wanted, now) if wanted.get("key") else judge(node, wanted, now)
    except Problem as error:
        raise AnsibleFilterError(error.sentence) from error
    return verdict.told()


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"tls_plan": tls_plan}
