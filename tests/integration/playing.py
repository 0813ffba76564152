"""Roles on nodes, by ansible-playbook as their users run it."""

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

CONNECTION = {
    "ansible_connection": "community.docker.docker",
    "ansible_python_interpreter": "/usr/bin/python3",
    "ansible_pipelining": True,
    "ansible_remote_tmp": "/tmp/.ansible",
}


@dataclass(frozen=True)
class Task:
    """What became of one task on one host."""

    name: str
    host: str
    result: Mapping[str, Any]

    @property
    def outcome(self) -> str:
        for outcome in ("failed", "skipped", "changed"):
            if self.result.get(outcome):
                return outcome
        return "ok"


@dataclass(frozen=True)
class Played:
    code: int
    text: str
    tasks: tuple[Task, ...]

    @property
    def outcomes(self) -> list[tuple[str, str, str]]:
        """Each task on each host; what check mode and the real run have to agree on."""
        return [(task.name, task.host, task.outcome) for task in self.tasks]

    @property
    def changed(self) -> list[str]:
        return [f"{task.name} on {task.host}" for task in self.tasks if task.outcome == "changed"]

    @property
    def diffs(self) -> list[Any]:
        return [task.result["diff"] for task in self.tasks if task.result.get("diff")]

    @property
    def failures(self) -> list[str]:
        return [str(task.result.get("msg")) for task in self.tasks if task.outcome == "failed"]


@dataclass(frozen=True)
class Stage:
    """An inventory and a directory to play in."""

    place: Path
    nodes: Sequence[Node]
    variables: Mapping[str, Any]

    def play(self, *roles: str, hosts: str = "all", check: bool = False, **extra: Any) -> Played:
        known = {
            node.name: {**CONNECTION, "ansible_host": node.container, "postgres_address": node.ip}
            for node in self.nodes
        }
        book = {"hosts": hosts, "gather_facts": False, "roles": [f"runbook.postgres.{role}" for role in roles]}
        for name, content in (
            ("inventory.json", {"all": {"hosts": known, "vars": dict(self.variables)}}),
            ("play.json", [book]),
            ("extra.json", extra),
        ):
            (self.place / name).touch(mode=0o600)
            (self.place / name).write_text(json.dumps(content))
        argv = [str(ROOT / ".venv/bin/ansible-playbook"), "-i", "inventory.json", "play.json", "-e", "@extra.json"]
        done = subprocess.run(
            [*argv, *(["--check"] if check else []), "--diff"],
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab" / "collections"),
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
                "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
            },
            cwd=self.place,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return Played(done.returncode, done.stdout, tuple(_tasks(done.stdout)))

    def played(self, *roles: str, **options: Any) -> Played:
        """One that must succeed."""
        done = self.play(*roles, **options)
        assert done.code == 0, done.text
        return done


def _tasks(text: str) -> list[Task]:
    start = text.find('{\n    "custom_stats"')
    assert start >= 0, text
    told, _ = json.JSONDecoder().raw_decode(text[start:])
    return [
        Task(each["task"]["name"], host, result)
        for play in told["plays"]
        for each in play["tasks"]
        for host, result in sorted(each["hosts"].items())
    ]
