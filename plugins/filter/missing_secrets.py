# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Entries of a vault that variables name and nothing defines."""

from __future__ import annotations

DOCUMENTATION = r"""
name: missing_secrets
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Tell which entries of a vault are missing
description:
  - Looks at the variables of hosts that the roles of this collection take, and tells of those that name a variable
    beginning with C(vault_) which nothing defines. No value is told. What only a playbook takes, such as the keys of
    logical backups, keeps nobody from building a cluster.
  - That a variable waits for something else, such as facts, is no fault.
positional: _input, hosts
options:
  _input:
    description:
      - C(hostvars).
    type: dict
    required: true
  hosts:
    description:
      - Names of the hosts to look at.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse to begin without a password that will be needed
  ansible.builtin.assert:
    that: missing | length == 0
    fail_msg: "{{ missing | join(' ') }}"
  vars:
    missing: "{{ hostvars | runbook.postgres.missing_secrets(ansible_play_hosts_all) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - A sentence for each entry that is missing; empty when there is none.
  type: list
  elements: str
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleError
from jinja2.exceptions import UndefinedError
from jinja2.runtime import Undefined

from ansible_collections.runbook.postgres.plugins.filter.inventory_problems import specified

_NAME = re.compile(r"\bvault_\w+")
_MISSING = re.compile(r"'(vault_\w+)' is undefined")


def missing_secrets(hostvars: Mapping[str, Mapping[str, Any]], hosts: Sequence[str]) -> list[str]:
    taken = specified().options
    named: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for host in hosts:
        for name in (each for each in hostvars[host] if each in taken):
            for secret in _missing(hostvars[host], name):
                if secret not in hostvars[host]:
                    named[secret][name].append(host)
    return [_sentence(secret, where) for secret, where in sorted(named.items())]


def _missing(variables: Mapping[str, Any], name: str) -> set[str]:
    try:
        return set(_undefined(variables[name]))
    except (AnsibleError, UndefinedError) as error:
        return set(_named(error))


def _undefined(value: Any) -> Iterator[str]:
    """Containers may find out only as they are read, and then in one place after the other."""
    if isinstance(value, str) and "{{" in value:
        # As core up to 2.18 leaves what it cannot fill in.
        yield from _NAME.findall(value)
    elif isinstance(value, Undefined):
        yield from _NAME.findall(str(value._undefined_name))
    elif isinstance(value, Mapping):
        for key in value:
            yield from _missing(value, key)
    elif isinstance(value, (list, tuple)):
        for place in range(len(value)):
            yield from _missing(value, place)  # type: ignore[arg-type]


def _named(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield from _MISSING.findall(str(error))
        error = error.__cause__ or error.__context__


def _sentence(secret: str, where: Mapping[str, Sequence[str]]) -> str:
    variable, hosts = next(iter(where.items()))
    return (
        f"Variable {variable} of {hosts[0]} names {secret}, which nothing defines: add it to the vault of its group, "
        "or correct the name."
    )


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"missing_secrets": missing_secrets}
