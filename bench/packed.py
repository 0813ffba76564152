"""A module as Ansible packs it, run by itself: what it takes without Ansible's own start, and the memory it has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError
from lab.nodes import Node

from . import tasks

HOME = tasks.HOMES["postgres"]
CALL_BOUND = 900.0

# Runs something and says how much memory the largest of its processes had, in kilobytes.
WATCHED = (
    "import resource, subprocess, sys; "
    "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE); sys.stdout.buffer.write(done.stdout); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(done.returncode)"
)


@dataclass(frozen=True)
class Packed:
    node: Node
    user: str
    path: str

    @classmethod
    def make(cls, node: Node, task: tasks.Task, label: str) -> Packed:
        return cls(node, task.user, tasks.pack(node, task, label))

    def run(self, done: str) -> tuple[dict[str, Any], int]:
        """Its result, which says of `done` that there was something to measure, and the kilobytes it had."""
        home = tasks.HOMES[self.user]
        argv = ["env", f"HOME={home}", "LANG=C.UTF-8", "/usr/bin/python3", "-c", WATCHED, "/usr/bin/python3", self.path]
        ended = self.node.exec(argv, user=self.user, timeout=CALL_BOUND, check=False)
        try:
            result = dict(json.loads(ended.stdout))
        except ValueError:
            raise LabError(f"Our side gave no result to compare: {ended.stderr.strip() or 'no message'}") from None
        if not result.get(done):
            raise LabError(f"Our side did nothing to compare: {result.get('msg', f'it says no {done}')}")
        return result, int(ended.stderr.split()[-1])
