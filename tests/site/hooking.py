"""Files of tasks at the steps of a playbook, which note that they were come to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOTING = """\
- name: Note the step
  ansible.builtin.lineinfile:
    path: {noted}
    line: "{{{{ hook_step }}}}: {{{{ hook_old | join(' ') }}}} -> {{{{ hook_new }}}} ({{{{ inventory_hostname }}}})"
    create: true
    mode: "0600"
  delegate_to: localhost
  become: false
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
  throttle: 1
  changed_when: false
"""
FAILING = """\
- name: Move what moves with the primary
  ansible.builtin.fail:
    msg: "{{ hook_new }} could not be told."
  when: inventory_hostname == hook_new
"""


def failing(directory: Path, step: str) -> dict[str, Any]:
    """At that step one host fails, and all others have nothing to do."""
    tasks = directory / "failing.yml"
    tasks.write_text(FAILING)
    return {"postgres_hooks": {step: str(tasks)}}


@dataclass(frozen=True)
class Hooks:
    """One file for all steps, and another that it writes."""

    tasks: Path
    noted: Path

    @classmethod
    def written(cls, directory: Path) -> Hooks:
        hooks = cls(directory / "hook.yml", directory / "hooks.noted")
        hooks.tasks.write_text(NOTING.format(noted=hooks.noted))
        return hooks

    def at(self, *steps: str) -> dict[str, dict[str, str]]:
        return {"postgres_hooks": {step: str(self.tasks) for step in steps}}

    def seen(self) -> dict[str, list[str]]:
        """In the order in which they were come to, each step with its hosts."""
        lines = self.noted.read_text().splitlines() if self.noted.exists() else []
        found: dict[str, list[str]] = {}
        for line in lines:
            step, _, host = line.partition(" (")
            found.setdefault(step, []).append(host.rstrip(")"))
        return {step: sorted(hosts) for step, hosts in found.items()}
