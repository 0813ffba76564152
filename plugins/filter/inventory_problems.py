# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is wrong with an inventory, before any host is asked."""

from __future__ import annotations

DOCUMENTATION = r"""
name: inventory_problems
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: List what in an inventory cannot be meant
description:
  - Looks at the variables of a play's hosts and of the members of their clusters, and at nothing else.
  - Found are variables that begin like those of this collection's roles and are none of them, clusters without a name
    or hosts, hosts that the inventory lacks or that several clusters claim, a first primary that is no server or not
    the same everywhere, addresses that are missing, shared or every host's own, values that the roles' argument
    specifications do not allow, and files of hooks that are not there. Values with a template that cannot be filled in
    yet are left to the roles.
positional: _input, play
options:
  _input:
    description:
      - The variables of all hosts, C(hostvars).
    type: dict
    required: true
  play:
    description:
      - The hosts of the play, C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse an inventory that cannot be meant
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join(' ') }}"
  vars:
    problems: "{{ hostvars | runbook.postgres.inventory_problems(ansible_play_hosts_all) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - A sentence for each problem; empty when there is none.
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable

import yaml
from ansible.errors import AnsibleError, AnsibleFilterError
from jinja2.exceptions import UndefinedError
from jinja2.runtime import Undefined

from ansible_collections.runbook.postgres.plugins.module_utils._cluster import hooks
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.hostvars import plain
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.inventory import problems
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.specs import Known, known
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.values import unfit

ROLES = Path(__file__).resolve().parents[2] / "roles"


def specified(roles: Path = ROLES) -> Known:
    paths = sorted(roles.glob("*/meta/argument_specs.yml"))
    return known({path.parts[-3]: yaml.safe_load(path.read_text())["argument_specs"].values() for path in paths})


class Waits(Exception):
    """Somewhere in a value a template is left."""


def settled(variables: Mapping[str, Any], name: str) -> Any:
    """A value; None of one that waits for what is found out later, such as facts, and is nobody's to judge yet."""
    try:
        return copied(variables[name])
    except (AnsibleError, UndefinedError, Waits):
        return None


def copied(value: Any) -> Any:
    if isinstance(value, Undefined) or (isinstance(value, str) and ("{{" in value or "{%" in value)):
        raise Waits
    if isinstance(value, Mapping):
        return {key: copied(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [copied(each) for each in value]
    return value


def inventory_problems(hostvars: Mapping[str, Mapping[str, Any]], play: Sequence[str]) -> list[str]:
    try:
        takes = specified()
        # What is wrong with a secret would be told with what it is.
        judged = {name for name, option in takes.options.items() if not option.get("no_log")}
        inventory = plain(hostvars, play, lambda variables, name: settled(variables, name) if name in judged else None)
        return [
            *problems(play, inventory, takes.names, takes.prefixes),
            *unfit(inventory, inventory, takes.options),
            *hooks.absent(inventory, lambda path: Path(path).is_absolute() and Path(path).is_file()),
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"inventory_problems was given something else than an inventory ({type(error).__name__}: {error}): "
            "pass hostvars, and ansible_play_hosts_all."
        ) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"inventory_problems": inventory_problems}
