"""Playbooks played as an operator plays them, and what each task said about each host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.checkout import ROOT

BOUND = 900.0  # seconds for one playbook
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Outcome:
    """One task on one host."""

    play: str
    task: str
    host: str
    said: str  # changed, ok, skipped, failed, unreachable
    result: Mapping[str, Any] = field(compare=False, repr=False)

    @property
    def changed_items(self) -> list[str]:
        """Of a loop: which of its items changed."""
        items = self.result.get("results") or []
        return [str(item.get("item")) for item in items if item.get("changed")]

    @property
    def place(self) -> str:
        return f"{self.play} / {self.task} / {self.host}"

    @property
    def message(self) -> str:
        return str(self.result.get("msg", ""))


@dataclass(frozen=True)
class Run:
    """What one call of ansible-playbook did."""

    returncode: int
    outcomes: tuple[Outcome, ...]
    output: str

    def of(self, said: str) -> list[Outcome]:
        return [each for each in self.outcomes if each.said == said]

    @property
    def changed(self) -> list[str]:
        return [each.place for each in self.of("changed")]

    @property
    def failures(self) -> list[str]:
        return [each.message for each in [*self.of("failed"), *self.of("unreachable")]]

    def failure(self, host: str) -> str:
        """The sentence one host failed with."""
        return " / ".join(each.message for each in self.of("failed") if each.host == host)

    def differences(self) -> list[tuple[str, str, str]]:
        """Each line that a diff takes away or adds, with the host it is about."""
        found = []
        for each in self.outcomes:
            for item in [each.result, *(each.result.get("results") or [])]:
                for diff in listed(item.get("diff")):
                    before, after = lines(diff.get("before")), lines(diff.get("after"))
                    found += [(each.host, "-", line) for line in before if line not in after]
                    found += [(each.host, "+", line) for line in after if line not in before]
        return found

    def told(self) -> list[tuple[str, str, list[str]]]:
        """Place, word and changed items: what a check run and the real one are compared by."""
        return [(each.place, each.said, each.changed_items) for each in self.outcomes]


def listed(diff: Any) -> list[Mapping[str, Any]]:
    return diff if isinstance(diff, list) else [diff] if diff else []


def lines(text: Any) -> list[str]:
    if isinstance(text, str):
        return text.splitlines()
    return json.dumps(text, indent=1, sort_keys=True).splitlines() if text else []


def environment(**more: str) -> dict[str, str]:
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_HOME": str(ROOT / ".lab" / "ansible"),
        **more,
    }


def command(inventory: Path, playbook: str, *words: str, variables: Mapping[str, Any] | None = None) -> list[str]:
    extra = ["--extra-vars", json.dumps(variables)] if variables else []
    return [str(BIN / "ansible-playbook"), "-i", str(inventory), playbook, *words, *extra]


def play(inventory: Path, playbook: str, *words: str, variables: Mapping[str, Any] | None = None) -> Run:
    """Play `playbook` of the collection to its end."""
    done = subprocess.run(
        command(inventory, playbook, *words, variables=variables),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    return Run(done.returncode, outcomes(done.stdout), done.stdout + done.stderr)


def outcomes(text: str) -> tuple[Outcome, ...]:
    """Of the JSON that the callback prints after whatever else was said."""
    begin = text.find('{\n    "custom_stats"')
    if begin < 0:
        return ()
    document = json.loads(text[begin:])
    return tuple(
        Outcome(play["play"]["name"], task["task"]["name"], host, word(result), result)
        for play in document["plays"]
        for task in play["tasks"]
        for host, result in sorted(task["hosts"].items())
    )


def word(result: Mapping[str, Any]) -> str:
    for said in ("unreachable", "failed", "skipped", "changed"):
        if result.get(said):
            return said
    return "ok"


def first_difference(one: Sequence[object], other: Sequence[object]) -> str:
    """Where two tellings part, for a failure that can be read."""
    for left, right in zip(one, other):
        if left != right:
            return f"\n  {left}\n  {right}"
    return f"\n  {len(one)} and {len(other)} tasks"
