"""A scheduled job that fails is told by the webhook that the role was given, without its address being shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.nodes import Node
from lab.waiting import wait_until
from tests.integration.playing import Stage

HEARD = "/tmp/heard.json"
SERVER = f"""
import http.server
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        open("{HEARD}", "wb").write(body)
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 8090), Hook).serve_forever()
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    node = Node.start("schedule12", 12, bare=True)
    try:
        node.write("/tmp/server.py", SERVER)
        node.exec(["systemd-run", "--unit=hook", "python3", "/tmp/server.py"])
        node.write("/etc/hook", "http://127.0.0.1:8090/token\n", mode="0600")
        yield Stage(
            tmp_path,
            [node],
            {
                "schedule_program": "/bin/false",
                "schedule_inventory": "/srv/inventory",
                "schedule_webhook_file": "/etc/hook",
                "schedule_jobs": [{"name": "backup", "playbook": "any", "calendar": "hourly"}],
            },
        )
    finally:
        node.stop()


def test_a_failed_job_is_never_silent(stage: Stage) -> None:
    (node,) = stage.nodes
    foreseen, done = stage.played("schedule", check=True), stage.played("schedule")
    assert foreseen.outcomes == done.outcomes
    assert stage.played("schedule").changed == []
    assert "token" not in done.text
    node.exec(["systemctl", "start", "runbook-backup.service"], check=False)
    heard = ["test", "-s", HEARD]
    wait_until("the webhook was called", lambda: node.exec(heard, check=False).returncode == 0, bound=60)
    told = json.loads(node.exec(["cat", HEARD]).stdout)
    assert told["unit"] == "runbook-backup.service"
    assert "failed on schedule12" in told["text"]
    # Whoever is told no more leaves nothing behind.
    stage.played("schedule", schedule_webhook_file="")
    assert node.exec(["ls", "/etc/systemd/system"]).stdout.count("runbook-failed-") == 0
