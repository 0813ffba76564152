"""Runs a role on nodes as a user would, and tells of each task what it did."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.checkout import ROOT
from lab.nodes import Node

BOUND = 600.0


@dataclass(frozen=True)
class Task:
    name: str
    host: str
    result: Mapping[str, Any]

    @property
    def outcome(self) -> str:
        for word in ("failed", "skipped", "changed"):
            if self.result.get(word):
                return word
        return "ok"

    @property
    def diff(self) -> list[Mapping[str, Any]]:
        told = self.result.get("diff") or []
        return [
            each for each in (told if isinstance(told, list) else [told]) if each.get("before") != each.get("after")
        ]


@dataclass(frozen=True)
class Converged:
    tasks: Sequence[Task]
    text: str

    @property
    def failures(self) -> list[str]:
        return [str(task.result.get("msg")) for task in self.tasks if task.outcome == "failed"]

    @property
    def outcomes(self) -> list[tuple[str, str, str]]:
        """What a check run and the run after it have to have in common."""
        return [(task.host, task.name, task.outcome) for task in self.tasks]

    @property
    def changes(self) -> list[str]:
        return [task.name for task in self.tasks if task.outcome == "changed"]

    def task(self, name: str, host: str | None = None) -> Task:
        [found] = [each for each in self.tasks if each.name.endswith(name) and host in (None, each.host)]
        return found


def host_variables(node: Node, **variables: Any) -> dict[str, Any]:
    return {
        "ansible_connection": "community.docker.docker",
        "ansible_host": node.container,
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_pipelining": True,
        "ansible_remote_tmp": "/tmp/.ansible",
        **variables,
    }


def converge(
    nodes: Mapping[str, Mapping[str, Any]],
    place: Path,
    plays: Sequence[Mapping[str, Any]] | Path,
    variables: Mapping[str, Any] | None = None,
    *,
    check: bool = False,
    ok: bool = True,
) -> Converged:
    """`nodes` are hosts with their variables; the whole inventory and playbook is what is given here."""
    inventory = {"all": {"children": {"postgres": {"hosts": nodes}}, "vars": dict(variables or {})}}
    (place / "inventory.json").write_text(json.dumps(inventory))
    book = plays if isinstance(plays, Path) else place / "play.json"
    if not isinstance(plays, Path):
        book.write_text(json.dumps(plays))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab" / "collections"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_FORCE_COLOR": "0",
    }
    argv = [str(ROOT / ".venv" / "bin" / "ansible-playbook"), "--diff", "-i", str(place / "inventory.json"), str(book)]
    done = subprocess.run(
        [*argv, *(["--check"] if check else [])],
        env=environment,
        cwd=place,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=BOUND,
    )
    text = done.stdout
    try:
        told = json.loads(text[text.index("{\n") :])
    except ValueError as error:
        raise AssertionError(text) from error
    tasks = [
        Task(task["task"]["name"], host, result)
        for play in told["plays"]
        for task in play["tasks"]
        for host, result in sorted(task["hosts"].items())
    ]
    result = Converged(tasks, text)
    assert not ok or done.returncode == 0, result.failures or text
    return result


def role(name: str, *parts: str, **variables: Any) -> list[dict[str, Any]]:
    """One play with a role, or with some of its parts one after the other."""
    calls = [{"name": name, "tasks_from": part} for part in parts] or [{"name": name}]
    tasks = [{"name": f"{name} {call.get('tasks_from', '')}", "ansible.builtin.import_role": call} for call in calls]
    return [{"hosts": "postgres", "gather_facts": False, "vars": variables, "tasks": tasks}]
