"""The demo's inventory computes addresses with Jinja; the lab computes them with Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import demo

from lab import networks
from lab.checkout import ROOT

BIN = Path(sys.executable).parent


def test_its_addresses_are_those_the_lab_gives() -> None:
    asked = "{{ [inventory_hostname, postgres_address] | to_json }}"
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_HOME": str(ROOT / ".lab/ansible"),
    }
    argv = [
        "ansible",
        "-i",
        "inventories/demo",
        "all",
        "-c",
        "local",
        "-m",
        "ansible.builtin.debug",
        "-a",
        f"msg={asked}",
    ]
    environment["ANSIBLE_STDOUT_CALLBACK"] = "ansible.posix.json"
    environment["ANSIBLE_LOAD_CALLBACK_PLUGINS"] = "true"
    done = subprocess.run(
        [str(BIN / argv[0]), *argv[1:]], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    hosts = json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"]
    told = {name: json.loads(result["msg"]) for name, result in hosts.items()}
    assert told == {name: [name, networks.address(number)] for name, number in demo.NODES.items()}
