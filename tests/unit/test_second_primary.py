"""What the other members are decides whether a host of a cluster may be recovered: it is to be the only primary."""

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
[ASKING, JUDGING] = yaml.safe_load((ROOT / "playbooks/tasks/rivals.yml").read_text(encoding="utf-8"))


def member(state: str, role: str | None = None, promoters: tuple[str, ...] = ()) -> dict[str, Any]:
    """As a look at it left it with the host."""
    node = {"instance": {"state": state, "role": role}, "machine": {"promoters": list(promoters)}}
    return {"preflight_seen": {"ansible_facts": {"pg_node": node}}}


def judged(place: Path, others: dict[str, dict[str, Any]], members: list[str]) -> tuple[int, str]:
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    common = {"postgres_cluster": "shop", "postgres_hosts": members, "rivals_name_it": "pitr_host"}
    inventory = {"all": {"hosts": {"db1": here, **others}, "vars": common}}
    (place / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
    play = {"hosts": "db1", "gather_facts": False, "tasks": [JUDGING]}
    (place / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = subprocess.run(
        [str(PLAYBOOK), "-i", "inventory.json", "play.yml"],
        cwd=place,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"db2": member("running", "primary")}, "db2 takes writes as primary of shop and would go on beside db1"),
        ({"db2": member("stopped", None, ("Patroni",))}, "runbook.postgres.patroni with patroni_state=absent"),
        ({"db2": member("running", "standby", ("repmgrd",))}, "repmgrd runs on db2 and may make another"),
    ],
)
def test_who_would_go_on_beside_it_is_refused(tmp_path: Path, others: dict[str, dict[str, Any]], said: str) -> None:
    code, told = judged(tmp_path, others, ["db1", "db2"])
    assert code == 2, told
    assert said in told


@pytest.mark.parametrize(
    ("others", "members", "silent"),
    [
        ({"db2": member("running", "standby"), "db3": member("stopped", "primary")}, ["db1", "db2", "db3"], ""),
        # That one is beside the cluster on purpose.
        ({"db2": member("running", "primary")}, ["db2"], ""),
        # In an emergency there are such, and whoever is called for it knows more of them.
        ({"db2": {}}, ["db1", "db2", "db3"], "db2 and db3"),
    ],
)
def test_nobody_else_is_in_the_way(
    tmp_path: Path, others: dict[str, dict[str, Any]], members: list[str], silent: str
) -> None:
    code, told = judged(tmp_path, others, members)
    assert code == 0, told
    assert ("could not be asked: see that no server takes writes there" in told) == bool(silent)
    assert silent in told


def test_both_are_asked_and_judged_before_anything_is_done() -> None:
    assert ASKING["loop_control"]["loop_var"] == "preflight_member"
    for book in ("pitr", "emergency_restore"):
        plays = yaml.safe_load((ROOT / f"playbooks/{book}.yml").read_text(encoding="utf-8"))
        tasks = plays[1]["tasks"]
        asked = [each.get("ansible.builtin.import_tasks") for each in tasks].index("tasks/rivals.yml")
        assert asked < ["runbook.postgres.pg_recover" in each for each in tasks].index(True)
