"""A controller that is killed between tasks: the next run finishes what it began."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from lab.checkout import ROOT
from tests.site.conftest import SERVERS, Site
from tests.site.playing import command, environment, first_difference

# Seconds into a run on bare hosts. What is reached by then differs between
# machines; what must hold does not.
MOMENTS = (8, 25, 12, 18)


def killed_after(site: Site, seconds: float) -> None:
    """Start a run, and kill it and all it started."""
    with (site.directory / "killed.log").open("w") as log:
        process = subprocess.Popen(
            command(site.inventory, "runbook.postgres.site"),
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def settle(site: Site) -> None:
    """A module that runs on a node outlives its controller; so does apt."""
    for node in site.nodes.values():
        for _ in range(600):
            if node.exec(["pgrep", "-f", "apt-get|dpkg|AnsiballZ|pg_basebackup"], check=False).returncode:
                break
            time.sleep(0.2)


def test_a_run_that_was_killed_again_and_again_is_finished_by_the_next(site: Site) -> None:
    for moment in MOMENTS:
        killed_after(site, moment)
        settle(site)
    foretold = site.play("--check", "--diff")
    assert foretold.returncode == 0, foretold.failures
    done = site.play("--diff")
    assert done.returncode == 0, done.failures
    assert foretold.told() == done.told(), first_difference(foretold.told(), done.told())
    assert site.play().changed == []
    assert site.psql(SERVERS[0], "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "2"


@pytest.mark.parametrize("program", ["pg_basebackup"])
def test_a_copy_that_was_killed_is_made_again(site: Site, program: str) -> None:
    node = site.nodes[SERVERS[2]]
    node.exec(["systemctl", "stop", "postgresql@15-main"])
    node.exec(["rm", "-rf", "/var/lib/postgresql/15/main"])
    process = subprocess.Popen(
        command(site.inventory, "runbook.postgres.site"),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for _ in range(1200):
        if node.exec(["pkill", "-KILL", "-x", program], check=False).returncode == 0:
            break
        time.sleep(0.05)
    process.wait(300)
    assert process.returncode != 0
    assert site.play().returncode == 0
    assert site.play().changed == []
    assert site.psql(SERVERS[2], "SELECT status FROM pg_stat_wal_receiver") == "streaming"
