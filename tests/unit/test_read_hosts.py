"""Whom role pgbouncer sends readers to, by what was seen of the members and what this run did about them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles/pgbouncer"
PLAY = [
    {
        "hosts": "poolers",
        "gather_facts": False,
        "vars_files": [str(ROLE / "vars/main.yml"), str(ROLE / "defaults/main.yml")],
        "tasks": [{"ansible.builtin.debug": {"var": "pgbouncer_standbys"}}],
    }
]
DONE = {"changed": True, "failed": False}
FAILED = {"changed": False, "failed": True, "msg": "No room."}
SKIPPED = {"changed": False, "skipped": True, "skip_reason": "Conditional result was False"}

Members = dict[str, tuple[bool | str | None, dict[str, Any] | None]]

# Of each member whether it was seen to stream ("behind" where readers are kept from it all the same), and what became
# of the task that waits until it does.
CASES: list[tuple[str, Members, list[str]]] = [
    ("a finished cluster", {"a": (True, DONE), "b": (True, DONE)}, ["a", "b"]),
    ("they joined in this run", {"a": (False, DONE), "b": (False, DONE)}, ["a", "b"]),
    ("one failed before it came to that", {"a": (True, DONE), "b": (False, None)}, ["a"]),
    ("one does not come to stream", {"a": (True, DONE), "b": (False, FAILED)}, ["a"]),
    ("one streams no more", {"a": (True, FAILED), "b": (True, DONE)}, ["b"]),
    ("a run for the pooler alone", {"a": (True, None), "b": (False, None)}, ["a"]),
    ("a task that was passed over says nothing", {"a": (True, SKIPPED), "b": (False, SKIPPED)}, ["a"]),
    ("nobody is left", {"a": (False, None), "b": (False, FAILED)}, []),
    ("one is far behind", {"a": (True, DONE), "b": ("behind", DONE)}, ["a"]),
    ("a topology that somebody wrote down", {"a": (None, None), "b": (None, None)}, ["a", "b"]),
]


IDS = [case[0] for case in CASES]


def pooler_of(name: str, members: Members) -> dict[str, Any]:
    nodes = {
        f"{member} of {name}": {
            "address": member,
            **({} if streams is None else {"streams": bool(streams), "reads_away": streams == "behind"}),
        }
        for member, (streams, _) in members.items()
    }
    return {"postgres_topology": {"primary": "p", "read_hosts": list(nodes), "nodes": nodes}}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the role makes of each case, all in one play; nobody is contacted for it."""
    place = tmp_path_factory.mktemp("read-hosts")
    poolers = {name: pooler_of(name, members) for name, members, _ in CASES}
    servers = {
        f"{member} of {name}": {"replication_streams": result} if result else {}
        for name, members, _ in CASES
        for member, (streams, result) in members.items()
        # What somebody wrote down need not be in an inventory.
        if streams is not None
    }
    inventory = {"all": {"children": {"poolers": {"hosts": poolers}, "servers": {"hosts": servers}}}}
    for name, content in (("inventory.json", inventory), ("play.json", PLAY)):
        (place / name).write_text(json.dumps(content))
    said = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventory.json", "play.json"],
        cwd=place,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    document = json.loads(said[said.index('{\n    "custom_stats"') :])
    hosts = document["plays"][0]["tasks"][0]["hosts"]
    return {name: result["pgbouncer_standbys"] for name, result in hosts.items()}


@pytest.mark.parametrize(("name", "expected"), [(name, expected) for name, _, expected in CASES], ids=IDS)
def test_readers_go_to_who_streams(told: dict[str, list[str]], name: str, expected: list[str]) -> None:
    assert told[name] == expected
