"""A controller that is killed between tasks: the next run finishes what it began."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time

from lab.checkout import ROOT
from lab.nodes import Node
from lab.waiting import wait_until
from tests.site.conftest import SERVERS, Site
from tests.site.playing import command, environment, first_difference

BOUND = 600.0  # seconds for a run to come to its task
QUIET = 2.0  # seconds without anything at work, after which nothing will begin

# Tasks of every play, in the order in which they come; some are seen twice, since what can be refused is judged first.
TASKS = (
    ("Keep the packages from making an instance", 1),
    ("Install the packages", 1),
    ("Have it sign itself", 1),
    ("Keep the node's certificate", 1),
    ("Have the instance", 1),
    ("Have its settings", 1),
    ("Keep who may log in from where", 2),
    ("Start it", 1),
    ("Have the role that standbys log in as", 1),
    ("Have the cluster's data", 1),
    ("Stream from the primary", 2),
    ("Databases", 1),
    ("Pools, limits and settings of PgBouncer", 2),
)


def killed_in(site: Site, task: str, occurrence: int) -> None:
    """Start a run, and kill it and all it started as soon as it has begun that task."""
    log = site.directory / "killed.log"
    header = re.compile(rf"^TASK \[(?:[\w.]+ : )?{re.escape(task)}\]", re.MULTILINE)
    with log.open("w") as output:
        process = subprocess.Popen(
            command(site.inventory, "runbook.postgres.site"),
            cwd=ROOT,
            env=environment(ANSIBLE_STDOUT_CALLBACK="default", ANSIBLE_NOCOLOR="1"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        deadline = time.monotonic() + BOUND
        while len(header.findall(log.read_text())) < occurrence:
            ended = process.poll() is not None or time.monotonic() > deadline
            assert not ended, f"{task} was not reached: {log.read_text()[-2000:]}"
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def at_work(node: Node, *words: str) -> list[int]:
    """Processes with one of the words in their command. A bare host has no pgrep."""
    # The pattern must not find itself.
    pattern = "|".join(f"{word[:-1]}[{word[-1]}]" for word in words)
    found = node.exec(["sh", "-c", 'grep -laE "$1" /proc/[0-9]*/cmdline', "sh", pattern], check=False)
    return [int(line.split("/")[2]) for line in found.stdout.splitlines()]


def settle(site: Site) -> None:
    """A module that runs on a node outlives its controller; so does apt. One may be about to begin."""
    quiet_since: list[float] = []

    def quiet() -> bool:
        if any(at_work(node, "python3", "apt-get", "dpkg", "pg_basebackup") for node in site.nodes.values()):
            quiet_since.clear()
            return False
        quiet_since.append(time.monotonic())
        return quiet_since[-1] - quiet_since[0] >= QUIET

    wait_until("nothing is at work on any node", quiet, 2 * BOUND, 0.2)


def lose_data(site: Site, server: str) -> None:
    node = site.nodes[server]
    node.exec(["systemctl", "stop", "postgresql@15-main"])
    node.exec(["rm", "-rf", "/var/lib/postgresql/15/main"])


def test_a_run_that_was_killed_again_and_again_is_finished_by_the_next(site: Site) -> None:
    for task, occurrence in TASKS:
        killed_in(site, task, occurrence)
        settle(site)
        if task == "Have the cluster's data":
            # The copy may have gone on without its controller, and with it there the next tasks would not be met.
            lose_data(site, SERVERS[2])
    foretold = site.play("--check", "--diff")
    assert foretold.returncode == 0, foretold.failures
    done = site.play("--diff")
    assert done.returncode == 0, done.failures
    assert foretold.told() == done.told(), first_difference(foretold.told(), done.told())
    assert site.play().changed == []
    assert site.psql(SERVERS[0], "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "2"


def test_a_copy_that_was_killed_is_made_again(site: Site) -> None:
    node = site.nodes[SERVERS[2]]
    lose_data(site, SERVERS[2])
    # So slow that it is met.
    process = subprocess.Popen(
        command(site.inventory, "runbook.postgres.site", variables={"replication_max_rate": "1M"}),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not (copying := at_work(node, "bin/pg_basebackup")):
        assert process.poll() is None, "it ended before its copy was killed"
        time.sleep(0.05)
    node.exec(["sh", "-c", 'kill -KILL "$@"', "sh", *map(str, copying)])
    process.wait(BOUND)
    assert process.returncode != 0
    assert site.play().returncode == 0
    assert site.play().changed == []
    assert site.psql(SERVERS[2], "SELECT status FROM pg_stat_wal_receiver") == "streaming"
