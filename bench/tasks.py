"""Run one Ansible task against the node, as an operator's play would, and see how long it took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lab.checkout import ROOT, STATE
from lab.errors import LabError
from lab.nodes import Node

BOUND = 120.0  # seconds for one task
HOMES = {"postgres": "/var/lib/postgresql", "root": "/root"}


@dataclass(frozen=True)
class Task:
    """A module and its arguments, which hold no secret."""

    module: str
    arguments: Mapping[str, Any]
    user: str = "postgres"

    @property
    def packed_name(self) -> str:
        return f"AnsiballZ_{self.module.rsplit('.', 1)[-1]}.py"


@dataclass(frozen=True)
class Done:
    seconds: float
    result: dict[str, Any]


def run(node: Node, task: Task, *, keep: bool = False) -> Done:
    """One task in an Ansible of its own. Packing the module is part of it, starting Ansible is not."""
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        # Without pipelining the module is a file, which is left where it was run.
        **({"ANSIBLE_KEEP_REMOTE_FILES": "true", "ANSIBLE_PIPELINING": "false"} if keep else {}),
    }
    argv = [str(Path(sys.executable).parent / "ansible"), "--inventory", str(inventory(node, task.user)), node.name]
    argv += ["--module-name", task.module, "--args", json.dumps(task.arguments)]
    try:
        done = subprocess.run(
            argv,
            check=False,
            capture_output=True,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=BOUND,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"The task {task.module} did not finish within {BOUND:.0f} s.") from None
    return outcome(task, done.stdout, done.stderr)


def outcome(task: Task, said: str, complaint: str) -> Done:
    """What the callback says of the only task; a failed one has nothing to measure."""
    try:
        entry = json.loads(said)["plays"][0]["tasks"][0]
        (result,) = entry["hosts"].values()
        begin, end = (datetime.fromisoformat(entry["task"]["duration"][key]) for key in ("start", "end"))
    except (ValueError, KeyError, IndexError):
        words = (complaint.strip() or said.strip() or "no message").splitlines()
        raise LabError(f"The task {task.module} could not be run: {words[-1]}") from None
    if result.get("failed") or result.get("unreachable"):
        raise LabError(f"The task {task.module} failed: {result.get('msg', 'no message')}")
    return Done((end - begin).total_seconds(), result)


def inventory(node: Node, user: str) -> Path:
    """The node as a system user; the passfile of postgres holds the passwords."""
    path = STATE / "bench-inventory.json"
    host = {
        "ansible_connection": "community.docker.docker",
        "ansible_host": node.container,
        "ansible_user": user,
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    path.write_text(json.dumps({"all": {"hosts": {node.name: host}}}))
    return path


def pack(node: Node, task: Task, label: str = "") -> str:
    """Where on the node the module lies exactly as Ansible runs it there; `label` tells several of them apart."""
    kept = f"{HOMES[task.user]}/.ansible/tmp"
    node.exec(["rm", "-rf", kept])
    run(node, task, keep=True)
    found = node.exec(["find", kept, "-name", task.packed_name]).stdout.splitlines()
    if not found:
        raise LabError(f"Ansible left no {task.packed_name} on the node, so the module cannot be run by itself.")
    place = f"{HOMES[task.user]}/{task.packed_name}{label and '.'}{label}"
    node.exec(["cp", "--preserve", found[0], place])
    return place
