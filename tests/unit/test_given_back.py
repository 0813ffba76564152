"""A server that Patroni lets go of goes back to its own unit, or it is said in a sentence what is left to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
TASKS = ROOT / "roles/patroni/tasks/restore.yml"


def given_back(place: Path, *, runs: bool = True, fails: str = "") -> tuple[int, str, list[str]]:
    """With programs in place of those that stop and start a server; what was called comes last."""
    programs = place / "bin"
    programs.mkdir()
    for name in ("pg_ctlcluster", "systemctl"):
        text = f'#!/bin/sh\necho "{name} $*" >> {place}/called\n'
        text += f'echo "{name} cannot." >&2; exit 3\n' if name == fails else ""
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    variables: dict[str, Any] = {
        "patroni_version": 15,
        "patroni_instance": "main",
        "patroni_unit": "postgresql@15-main.service",
        "patroni_seen": {"runs_server": runs},
    }
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
    inventory = {"all": {"hosts": {"db1": here}, "vars": variables}}
    (place / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
    play = {"hosts": "db1", "gather_facts": False, "tasks": [{"ansible.builtin.import_tasks": str(TASKS)}]}
    (place / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = subprocess.run(
        [str(PLAYBOOK), "-i", "inventory.json", "play.yml"],
        cwd=place,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "PATH": f"{programs}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    called = place / "called"
    calls = called.read_text(encoding="utf-8").splitlines() if called.exists() else []
    return done.returncode, " ".join(done.stdout.split()), calls


STOP = "pg_ctlcluster --skip-systemctl-redirect -m fast 15 main stop"
START = "systemctl start postgresql@15-main.service"


def test_it_is_stopped_and_started_in_its_unit(tmp_path: Path) -> None:
    code, told, calls = given_back(tmp_path)
    assert code == 0, told
    assert "changed=1" in told
    assert calls == [STOP, START]


def test_one_that_patroni_does_not_run_is_left_alone(tmp_path: Path) -> None:
    code, told, calls = given_back(tmp_path, runs=False)
    assert code == 0, told
    assert "changed=0" in told
    assert calls == []


@pytest.mark.parametrize(("fails", "calls"), [("pg_ctlcluster", [STOP]), ("systemctl", [STOP, START])])
def test_what_does_not_work_is_a_sentence_of_ours(tmp_path: Path, fails: str, calls: list[str]) -> None:
    code, told, called = given_back(tmp_path, fails=fails)
    assert code == 2, told
    assert called == calls
    assert f"The server on db1 did not leave Patroni for its own unit ({fails} cannot.): see its log and" in told
    assert "run this again." in told
    assert "non-zero return code" not in told
