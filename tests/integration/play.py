"""Runs pg_health_facts by ansible-playbook on a node, as any user would."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.checkout import ROOT
from lab.nodes import Node

MODULE = "runbook.postgres.pg_health_facts"


def play(node: Node, tasks: Sequence[Mapping[str, Any]], place: Path) -> dict[str, dict[str, Any]]:
    """The result of each task by its name. The files hold passwords, so that no argument does."""
    inventory = {
        "all": {
            "hosts": {
                node.name: {
                    "ansible_connection": "community.docker.docker",
                    "ansible_host": node.container,
                    "ansible_python_interpreter": "/usr/bin/python3",
                    "ansible_pipelining": True,
                    "ansible_remote_tmp": "/tmp/.ansible",
                }
            }
        }
    }
    written = [_task(task) for task in tasks]
    output = place / "results.json"
    keep = {
        "name": "Hand the results over",
        "ansible.builtin.copy": {
            "dest": str(output),
            "content": "{{ dict(names | zip(names | map('extract', vars))) | to_json }}",
            "mode": "0600",
        },
        "delegate_to": "localhost",
        "vars": {"names": [task["name"] for task in tasks], "ansible_connection": "local"},
        "check_mode": False,
    }
    book = [{"hosts": "all", "gather_facts": False, "tasks": [*written, keep]}]
    for name, content in (("inventory.json", inventory), ("play.json", book)):
        (place / name).touch(mode=0o600)
        (place / name).write_text(json.dumps(content))
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab" / "collections")}
    argv = [str(ROOT / ".venv" / "bin" / "ansible-playbook"), "-i", str(place / "inventory.json")]
    done = subprocess.run(
        [*argv, str(place / "play.json")],
        env=environment,
        cwd=place,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return dict(json.loads(output.read_text()))


def _task(task: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": f"Ask as {task['name']}",
        MODULE: task["options"],
        "become": True,
        "become_user": task["become_user"],
        "check_mode": task.get("check_mode", False),
        "ignore_errors": task.get("ignore_errors", False),
        "register": task["name"],
    }
