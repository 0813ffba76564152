# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The lists of roles, databases and what belongs to them as calls of modules."""

from __future__ import annotations

DOCUMENTATION = r"""
name: objects_plan
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Turn lists of roles, databases and privileges into the calls that make them so
description:
  - Used by the role P(runbook.postgres.provision#role). Checks the lists as far as they alone tell, joins what one
    call can do, and says of each call whether it would change something where nothing is there yet.
  - No password is in what it returns.
positional: _input
options:
  _input:
    description:
      - The lists C(roles), C(databases), C(privileges), C(default_privileges), C(autovacuum) and C(policies).
    type: dict
    required: true
  version:
    description:
      - The server's major version. Without it nothing is left out that only older servers need.
    type: int
  revoke_public_create:
    description:
      - Take from everybody the right to create in the schema C(public), on servers before version 15.
    type: bool
    default: true
  exact_memberships:
    description:
      - Whether roles leave the groups that their C(member_of) does not name.
    type: bool
    default: false
  replication_role:
    description:
      - Who standbys log in as. An entry that would take from it what that needs is refused.
    type: str
    default: ""
  pending:
    description:
      - What M(runbook.postgres.pg_objects_pending) found. Without it, all calls are returned.
    type: dict
"""

EXAMPLES = r"""
- name: Work out what is to be called
  ansible.builtin.set_fact:
    plan: "{{ {'roles': [{'name': 'app'}]} | runbook.postgres.objects_plan(version=15) }}"
"""

RETURN = r"""
_value:
  description:
    - The calls by kind, and C(refusals), a list of sentences. With any, nothing else is there.
  type: dict
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.runbook.postgres.plugins.module_utils._objects.plan import narrowed, planned


def objects_plan(
    given: Mapping[str, Any],
    version: Any = None,
    revoke_public_create: Any = True,
    exact_memberships: Any = False,
    replication_role: str = "",
    pending: Any = None,
) -> dict[str, Any]:
    try:
        major = int(version) if version else None
        # An inventory in INI says false in a text, which would count as true.
        revoke, exact = (bool(boolean(each, strict=False)) for each in (revoke_public_create, exact_memberships))
        return narrowed(planned(given, major, revoke, exact, replication_role), pending or {})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Not the entry itself: it may hold a password.
        raise AnsibleFilterError(
            f"objects_plan was given a list that is not built as documented ({type(error).__name__}: {error}): "
            "compare it with the arguments of the role provision."
        ) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"objects_plan": objects_plan}
