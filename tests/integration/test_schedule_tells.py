"""A job is run when it was due, also after the host was down, and one that fails is told by the webhook in the end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.docker import docker
from lab.nodes import Node
from lab.waiting import wait_until
from tests.integration.conftest import releases
from tests.integration.playing import Stage

HEARD = "/tmp/heard.json"
SERVER = f"""
import http.server
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        open("{HEARD}", "ab").write(body + b"\\n")
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 8090), Hook).serve_forever()
"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    numbers = releases(metafunc.config)
    metafunc.parametrize("stage", numbers, ids=[f"debian{number}" for number in numbers], indirect=True)


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    node = Node.start(f"schedule{request.param}", request.param, bare=True)
    try:
        node.write("/tmp/server.py", SERVER)
        node.write("/etc/hook", "http://127.0.0.1:8090/hush-7\n", mode="0600")
        yield Stage(
            tmp_path,
            [node],
            {
                "schedule_program": "/bin/false",
                "schedule_inventory": "/srv/inventory",
                "schedule_webhook_file": "/etc/hook",
                # Never heard, which must keep nobody else from being called.
                "schedule_on_failure": ["/bin/false"],
                "schedule_again_after": "2s",
                "schedule_jobs": [{"name": "backup", "playbook": "any", "calendar": "hourly"}],
            },
        )
    finally:
        node.stop()


def again(node: Node, caller: str) -> int:
    """How often one of them was called anew about the job."""
    units = f"runbook-failed-*-{caller}@runbook-backup.service.service"
    told = node.exec(["systemctl", "show", "--property=NRestarts", units]).stdout
    return sum(int(each) for each in re.findall(r"NRestarts=(\d+)", told))


def test_a_failed_job_is_never_silent(stage: Stage) -> None:
    (node,) = stage.nodes
    # Who could not be told is known before anything is scheduled.
    node.write("/etc/far", "http://chat.example.net/hush-7\n", mode="0600")
    for check in (True, False):
        refused = stage.play("schedule", check=check, schedule_webhook_file="/etc/far")
        assert refused.code != 0
        assert f"/etc/far of {node.name} names no webhook that could be told of failures: its address" in refused.text
        assert "hush-7" not in refused.text
    assert "runbook-" not in node.exec(["ls", "/etc/systemd/system"]).stdout
    foreseen, done = stage.played("schedule", check=True), stage.played("schedule")
    assert foreseen.outcomes == done.outcomes
    assert stage.played("schedule").changed == []
    assert "hush-7" not in done.text
    node.exec(["systemctl", "start", "runbook-backup.service"], check=False)
    # What the backup failed for keeps the webhook from being reached as well.
    wait_until("a call was not heard", lambda: again(node, "webhook") > 0, bound=120)
    node.exec(["systemd-run", "--unit=hook", "python3", "/tmp/server.py"])
    heard = ["test", "-s", HEARD]
    wait_until("the webhook was called", lambda: node.exec(heard, check=False).returncode == 0, bound=120)
    # Who did not hear it is called again, and who did is not.
    calls = again(node, "own")
    wait_until("the other was called again", lambda: again(node, "own") > calls + 1, bound=120)
    [told] = [json.loads(line) for line in node.exec(["cat", HEARD]).stdout.splitlines()]
    assert told["unit"] == "runbook-backup.service"
    assert f"failed on {node.name}" in told["text"]
    # Whoever is told no more leaves nothing behind.
    stage.played("schedule", schedule_webhook_file="", schedule_on_failure=[])
    assert node.exec(["ls", "/etc/systemd/system"]).stdout.count("runbook-failed-") == 0


def test_what_was_due_while_the_host_was_down_is_run_when_it_is_back(stage: Stage) -> None:
    (node,) = stage.nodes
    node.write("/usr/local/bin/job", '#!/bin/sh\necho "$3" >> /srv/ran\n', mode="0755")
    jobs = [
        {"name": "nightly", "playbook": "nightly", "calendar": "daily"},
        {"name": "not-yet", "playbook": "not-yet", "calendar": "daily"},
    ]
    stage.played("schedule", schedule_program="/usr/local/bin/job", schedule_jobs=jobs)
    timers = [f"runbook-{job['name']}.timer" for job in jobs]
    # It was last run before the day of yesterday; the other one, today.
    node.exec(["touch", "-d", "2 days ago", f"/var/lib/systemd/timers/stamp-{timers[0]}"])
    ran = ["cat", "/srv/ran"]
    assert node.exec(ran, check=False).returncode != 0
    docker("restart", node.container)
    node.wait_until_booted()
    assert node.exec(["systemctl", "is-enabled", *timers]).stdout.split() == ["enabled"] * 2
    assert node.exec(["systemctl", "is-active", *timers]).stdout.split() == ["active"] * 2
    wait_until("the one that was missed has run", lambda: node.exec(ran, check=False).returncode == 0, bound=120)
    assert node.exec(ran).stdout.split() == ["nightly"]
    # It is made up for once.
    docker("restart", node.container)
    node.wait_until_booted()
    told = node.exec(["systemctl", "show", "--property=LastTriggerUSec", "--value", timers[0]]).stdout
    assert told.strip()
    assert node.exec(ran).stdout.split() == ["nightly"]
