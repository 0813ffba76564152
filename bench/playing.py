"""Playbooks of the collection run as an operator runs them, and when each of their tasks was done."""

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

from lab.checkout import ROOT
from lab.errors import LabError

from .measure import timed

BIN = Path(sys.executable).parent
CALL_BOUND = 900.0  # seconds for one run of a playbook


@dataclass(frozen=True)
class Played:
    seconds: float
    # By a task's name: when the last host was done with it, of the first of that name, in seconds since the epoch.
    done: Mapping[str, float]


def run(program: str, *words: str, **environment: str) -> str:
    """What it printed; one that fails leaves nothing to compare."""
    done = subprocess.run(
        [str(BIN / program), *words],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CALL_BOUND,
        check=False,
    )
    if done.returncode:
        raise LabError(f"{program} {' '.join(words[2:])} failed:\n{failures(done.stdout)}\n{done.stderr[-2000:]}")
    return done.stdout


def play(hosts: Path, playbook: str, **variables: Any) -> Played:
    said = []

    def played() -> None:
        more = ["--extra-vars", json.dumps(variables)] if variables else []
        words = ["-i", str(hosts), f"runbook.postgres.{playbook}", *more]
        said.append(run("ansible-playbook", *words, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json"))

    return Played(timed(played), ends(document(said[0])))


def document(text: str) -> dict[str, Any]:
    """What the callback for programs says at the end of a run; nothing where another one spoke."""
    begin = text.find('{\n    "custom_stats"')
    try:
        told: dict[str, Any] = json.loads(text[begin:]) if begin >= 0 else {}
    except ValueError:
        return {}
    return told


def ends(told: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in tasks(told):
        # A task that no host came to has no end.
        if end := each["task"]["duration"].get("end"):
            found.setdefault(each["task"]["name"], datetime.fromisoformat(end).timestamp())
    return found


def failures(text: str) -> str:
    """The sentences that hosts failed with, or the last of whatever was printed."""
    told = document(text)
    found = [
        f"{host}: {result.get('msg', '')}"
        for each in tasks(told)
        for host, result in each["hosts"].items()
        if result.get("failed") or result.get("unreachable")
    ]
    return "\n".join(dict.fromkeys(found)) or text[-4000:]


def tasks(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [task for each in told.get("plays", []) for task in each["tasks"]]
