"""A playbook over an inventory of a primary, its standby and a host that has nothing to be done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.checkout import ROOT
from tests.integration.partitions import Partitions

BIN = Path(sys.executable).parent


def login(partitions: Partitions, *, standby: bool) -> dict[str, Any]:
    parameters = partitions.server.parameters("postgres", standby=standby)
    return {
        "login_host": parameters["host"],
        "login_port": int(parameters["port"]),
        "login_user": "postgres",
        "login_password": parameters["password"],
    }


def played(
    partitions: Partitions,
    place: Path,
    playbook: str,
    wanted: Mapping[str, Any],
    *options: str,
    nothing: Mapping[str, Any] | None = None,
) -> tuple[int, str]:
    """What is wanted of `first`, a primary, and `second`, its standby; of a third, whose server is not there, only
    `nothing`. Passwords lie in a file, so that no argument holds one."""
    common = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    hosts: dict[str, dict[str, Any]] = {
        name: {**common, **wanted, f"{playbook}_login": login(partitions, standby=name == "second")}
        for name in ("first", "second")
    }
    if nothing is not None:
        hosts["third"] = {**common, **nothing, "postgres_login": {"login_port": 1}}
    inventory = place / "inventory.json"
    inventory.touch(mode=0o600)
    inventory.write_text(json.dumps({"postgres": {"hosts": hosts}}))
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", str(inventory), str(ROOT / "playbooks" / f"{playbook}.yml"), *options],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab/collections"), "ANSIBLE_NOCOLOR": "1"},
        cwd=place,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout
