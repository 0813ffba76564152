# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The report on a server's health as a page of text."""

from __future__ import annotations

DOCUMENTATION = r"""
name: health_report
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Write what pg_health_facts found as a page for a person
description:
  - Turns C(ansible_facts.pg_health) into text, the status first, then findings by severity with what to do, then
    figures and what could not be asked.
positional: _input
options:
  _input:
    description:
      - The facts that M(runbook.postgres.pg_health_facts) returned as C(pg_health).
    type: dict
    required: true
  name:
    description:
      - What the server is called in the report.
    type: str
    default: this server
  colour:
    description:
      - Mark severities with a terminal's colours.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Keep the morning's report
  ansible.builtin.copy:
    content: "{{ pg_health | runbook.postgres.health_report(name=inventory_hostname) }}"
    dest: /var/log/postgresql/health.txt
    mode: "0640"
"""

RETURN = r"""
_value:
  description:
    - The report, its lines at most 100 characters wide where words allow.
  type: str
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.module_utils._health.report import rendered


def health_report(health: Mapping[str, Any], name: str = "this server", colour: bool = False) -> str:
    try:
        return rendered(health, name, colour)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"health_report was given something else than the pg_health facts ({type(error).__name__}: {error}): "
            "run runbook.postgres.pg_health_facts first and pass pg_health."
        ) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"health_report": health_report}
