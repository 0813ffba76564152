"""The installed collection, used from elsewhere by its full names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Ansible

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py") if path.stem != "__init__")
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))

PLAY = """
- name: Ask a server that is not there
  hosts: localhost
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
  module_defaults:
    group/runbook.postgres.postgres:
      login_host: 127.0.0.1
      login_port: {port}
  tasks:
    - name: Look, and report what does not answer
      runbook.postgres.pg_health_facts:
        on_unreachable: report
    - name: It is down, and that is a result
      ansible.builtin.assert:
        that: pg_health.status == 'down'
    - name: Look, and fail on what does not answer
      runbook.postgres.pg_health_facts:
      register: refused
      failed_when: refused is not failed or (refused.msg | length) == 0 or 'Traceback' in refused | string
"""


def test_it_is_what_was_published(ansible: Ansible) -> None:
    ansible.succeed("ansible-galaxy", "collection", "verify", "--offline", "runbook.postgres")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_documented(ansible: Ansible, module: str) -> None:
    name = f"runbook.postgres.{module}"
    described = json.loads(ansible.succeed("ansible-doc", "--json", "-t", "module", name))
    assert described[name]["doc"]["options"]
    assert described[name]["examples"].strip()


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_is_found_by_its_full_name(ansible: Ansible, playbook: str) -> None:
    name = f"runbook.postgres.{playbook}"
    ansible.succeed("ansible-playbook", name, "--syntax-check", "-i", "localhost,")


def test_there_is_something_to_use() -> None:
    assert "pg_health_facts" in MODULES
    assert "health" in PLAYBOOKS


def test_the_module_reports_a_server_that_is_down(ansible: Ansible, closed_port: int, tmp_path: Path) -> None:
    play = tmp_path / "down.yml"
    play.write_text(PLAY.format(port=closed_port))
    ansible.succeed("ansible-playbook", "-i", "localhost,", "-c", "local", str(play))
