"""The role's tasks for objects, played as an operator plays them, and what each task said."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.checkout import ROOT
from lab.nodes import Node


@dataclass(frozen=True)
class Played:
    """How a play ended: of each task and item whether it changed something."""

    code: int
    text: str
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> dict[str, bool]:
        return {name: each for name, each in self.told.items() if each is True}


@dataclass(frozen=True)
class Plays:
    node: Node
    place: Path

    def __call__(self, variables: Mapping[str, Any], *, check: bool = False, verbose: bool = False) -> Played:
        self._write("inventory.json", {"all": {"hosts": {self.node.name: self._host()}}})
        role = {"name": "runbook.postgres.provision", "tasks_from": "objects"}
        tasks = [{"name": "Objects", "ansible.builtin.include_role": role}]
        values = {"postgres_version": self.node.postgresql, **variables}
        self._write("play.json", [{"hosts": "all", "gather_facts": False, "vars": values, "tasks": tasks}])
        argv = [str(ROOT / ".venv/bin/ansible-playbook"), "-i", str(self.place / "inventory.json")]
        argv += [str(self.place / "play.json"), "--diff", *(["--check"] if check else [])]
        argv += ["-vvvv"] if verbose else []
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab" / "collections"),
            "ANSIBLE_STDOUT_CALLBACK": "default" if verbose else "ansible.posix.json",
        }
        done = subprocess.run(
            argv,
            env=environment,
            cwd=self.place,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return Played(done.returncode, done.stdout, {} if verbose else told(done.stdout))

    def done(self, variables: Mapping[str, Any]) -> Played:
        """A run that a check run foretold, task by task and item by item, and that is not repeated."""
        foretold = self(variables, check=True)
        assert foretold.code == 0, foretold.text
        result = self(variables)
        assert result.code == 0, result.text
        found = differences(foretold, result)
        assert not found, found
        for check in (True, False):
            again = self(variables, check=check)
            assert again.code == 0, again.text
            assert not again.changed, again.changed
        return result

    def _host(self) -> dict[str, Any]:
        return {
            "ansible_connection": "community.docker.docker",
            "ansible_host": self.node.container,
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_pipelining": True,
            "ansible_remote_tmp": "/tmp/.ansible",
        }

    def _write(self, name: str, content: Any) -> None:
        # It may hold passwords.
        (self.place / name).touch(mode=0o600)
        (self.place / name).write_text(json.dumps(content))


def differences(one: Played, other: Played) -> list[str]:
    names = sorted({*one.told, *other.told})
    return [
        f"{name}: {one.told.get(name)}, {other.told.get(name)}"
        for name in names
        if one.told.get(name) != other.told.get(name)
    ]


def told(text: str) -> dict[str, Any]:
    """True or false for changed or not, "skipped" for what was: of each task, and of each item by its label."""
    found: dict[str, Any] = {}
    for play in json.loads(text[text.index("{") :])["plays"]:
        for task in play["tasks"]:
            for result in task["hosts"].values():
                # The role is named in front.
                name = task["task"]["name"].split(" : ")[-1]
                found[name] = _state(result)
                for each in result.get("results") or []:
                    found[f"{name}: {json.dumps(each['item'])}"] = _state(each)
    return found


def _state(result: Mapping[str, Any]) -> Any:
    return "skipped" if result.get("skipped") else bool(result.get("changed"))
