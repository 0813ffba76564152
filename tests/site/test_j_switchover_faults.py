"""What goes wrong while a primary hands over: the old one serves on or comes back, or the next run carries on.

The tests are one story, in this order, on the same nodes. In each of them clients write, and what they were told is
there in the end; nowhere do two servers take writes.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest

from lab.nodes import Node
from lab.waiting import wait_until
from tests.site.acknowledged import Writers
from tests.site.begun import begun, comes_to
from tests.site.conftest import Site
from tests.site.handing_over import (
    NOTE,
    SIGNAL,
    SWITCHOVER,
    built,
    exactly_what_was_told,
    primaries,
    streaming,
    told_why,
    writers,
)
from tests.site.hooking import failing

FIRST_ADDRESS = 81
OLD, NEW, THIRD, POOLER = "sf-pg1", "sf-pg2", "sf-pg3", "sf-pool1"
# The module itself, not the program that watches over an asynchronous job.
PART = r"python3 [^ ]*AnsiballZ_pg_switchover_part"
BOUND = 300.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = built(tmp_path_factory.mktemp("faults"), "sf", FIRST_ADDRESS)
    yield site
    for node in site.nodes.values():
        node.stop()


@pytest.fixture(scope="module")
def wrote(cluster: Site) -> Writers:
    return writers(cluster)


def said(site: Site, name: str, word: str) -> bool:
    """Whether a part says this on that server now."""
    sql = "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'runbook %'"
    return any(line.endswith(f" {word}") for line in site.psql(name, sql).splitlines())


def kill_part(node: Node) -> None:
    """And not the one that it started to outlive it."""
    node.exec(["pkill", "-KILL", "--oldest", "-f", PART])


@contextmanager
def long_transaction(wrote: Writers) -> Iterator[None]:
    """It keeps a pooler from having paused."""
    with psycopg2.connect(**wrote.where) as idle, idle.cursor() as cursor:
        cursor.execute("SELECT txid_current()")
        yield


@contextmanager
def frozen_replay(node: Node) -> Iterator[None]:
    """It receives and does not replay, so that it cannot be promoted."""
    node.exec(["pkill", "-STOP", "-f", "postgres: .*startup"])
    try:
        yield
    finally:
        node.exec(["pkill", "-CONT", "-f", "postgres: .*startup"])


def idle(site: Site) -> bool:
    """No part is at work, and none is about to begin: its controller may be killed between the two."""
    return all(node.exec(["pgrep", "-f", "AnsiballZ_"], check=False).returncode != 0 for node in site.nodes.values())


def parts_end(site: Site) -> None:
    """Also what outlives one that was killed."""
    seen: list[float] = []

    def stays_idle() -> bool:
        if idle(site):
            seen.append(time.monotonic())
        else:
            seen.clear()
        return bool(seen) and seen[-1] - seen[0] >= 3

    wait_until("no part is at work", stays_idle, BOUND, 0.5)


def serves_on(site: Site, wrote: Writers, name: str) -> None:
    assert primaries(site) == [name]
    assert site.nodes[name].exec(["ls", SIGNAL], check=False).returncode != 0
    exactly_what_was_told(site, name, wrote)


def test_a_part_of_the_candidate_that_is_killed_leaves_all_as_it_was(cluster: Site, wrote: Writers) -> None:
    with wrote.running():
        with long_transaction(wrote), begun(cluster, SWITCHOVER, switchover_to=NEW) as run:
            wait_until("the candidate is ready", lambda: said(cluster, NEW, "ready"), BOUND)
            kill_part(cluster.nodes[NEW])
            assert run.wait(BOUND) != 0
        time.sleep(1)
    assert wrote.complaints == []
    serves_on(cluster, wrote, OLD)


def test_clients_go_on_when_their_pooler_s_part_is_killed(cluster: Site, wrote: Writers) -> None:
    slow = {"switchover_to": NEW, "switchover_pause_limit": 20}
    with wrote.running(), long_transaction(wrote), begun(cluster, SWITCHOVER, **slow) as run:
        wait_until("the primary said go", lambda: said(cluster, OLD, "go"), BOUND)
        time.sleep(1)
        kill_part(cluster.nodes[POOLER])
        told = len(wrote.acknowledged)
        wait_until("clients go on", lambda: len(wrote.acknowledged) > told + 100, bound=60)
        assert run.wait(BOUND) != 0
    assert wrote.complaints == []
    serves_on(cluster, wrote, OLD)


def test_a_second_run_is_refused_while_one_is_under_way(cluster: Site, wrote: Writers) -> None:
    with long_transaction(wrote), begun(cluster, SWITCHOVER, switchover_to=NEW, switchover_pause_limit=60):
        wait_until("the primary said go", lambda: said(cluster, OLD, "go"), BOUND)
        refused = cluster.play(playbook=SWITCHOVER, switchover_to=THIRD)
    assert refused.returncode != 0
    assert "Another switchover is under way" in told_why(refused)
    assert refused.changed == []
    # Its controller was killed, and its transaction is over: the pooler pauses now and the parts go on by themselves.
    parts_end(cluster)
    done = cluster.play(playbook=SWITCHOVER, switchover_to=NEW)
    assert done.returncode == 0, done.failures
    assert primaries(cluster) == [NEW]
    assert streaming(cluster, NEW) == ["sf_pg1", "sf_pg3"]
    assert cluster.play().changed == []


def test_who_cannot_be_promoted_gives_the_old_primary_back(cluster: Site, wrote: Writers) -> None:
    """From NEW, which is primary by now, to OLD and not there."""
    with wrote.running():
        with frozen_replay(cluster.nodes[OLD]):
            failed = cluster.play(playbook=SWITCHOVER, switchover_to=OLD)
        time.sleep(1)
    assert failed.returncode != 0
    assert f"{NEW} serves on" in told_why(failed)
    assert "did not replay it" in told_why(failed)
    # They waited, and nobody was told off.
    assert wrote.complaints == []
    serves_on(cluster, wrote, NEW)
    wait_until("both stream again", lambda: streaming(cluster, NEW) == ["sf_pg1", "sf_pg3"], bound=60)
    assert cluster.play().changed == []


def test_the_next_run_goes_back_and_carries_on_when_all_were_killed(cluster: Site, wrote: Writers) -> None:
    with wrote.running():
        with frozen_replay(cluster.nodes[OLD]), begun(cluster, SWITCHOVER, switchover_to=OLD) as run:
            wait_until("the primary stops", lambda: primaries(cluster) == [], BOUND)
            os.killpg(run.pid, signal.SIGKILL)
            for name in (OLD, NEW):
                cluster.nodes[name].exec(["pkill", "-KILL", "-f", PART], check=False)
        assert primaries(cluster) == []
        assert "stopping" in cluster.nodes[NEW].exec(["cat", NOTE]).stdout
        # The pooler's part is still there, and its clients wait.
        refused = cluster.play(playbook=SWITCHOVER, switchover_to=OLD)
        assert "Another switchover is under way" in told_why(refused)
        parts_end(cluster)
        done = cluster.play(playbook=SWITCHOVER, switchover_to=OLD)
    assert done.returncode == 0, done.failures
    assert primaries(cluster) == [OLD]
    exactly_what_was_told(cluster, OLD, wrote)
    assert streaming(cluster, OLD) == ["sf_pg2", "sf_pg3"]
    assert cluster.play().changed == []


@pytest.mark.parametrize(
    "task", ["Have the candidate ready", "Have the primary hand over", "Await the servers' parts", "Follow"]
)
def test_a_controller_that_is_killed_is_carried_on_from(cluster: Site, wrote: Writers, task: str) -> None:
    (now,) = primaries(cluster)
    other = NEW if now == OLD else OLD
    with wrote.running():
        with begun(cluster, SWITCHOVER, switchover_to=other) as run:
            comes_to(cluster, run, task, BOUND)
            os.killpg(run.pid, signal.SIGKILL)
        parts_end(cluster)
        assert len(primaries(cluster)) == 1
        done = cluster.play(playbook=SWITCHOVER, switchover_to=other)
        assert done.returncode == 0, done.failures
    assert wrote.complaints == []
    assert primaries(cluster) == [other]
    exactly_what_was_told(cluster, other, wrote)
    again = cluster.play("--diff")
    assert again.returncode == 0, again.failures
    assert again.changed == []


def test_a_step_of_the_user_s_own_that_fails_before_has_nothing_changed(cluster: Site, wrote: Writers) -> None:
    (now,) = primaries(cluster)
    cluster.write(**failing(cluster.directory, "before_switchover"))
    with wrote.running():
        failed = cluster.play("--diff", playbook=SWITCHOVER, switchover_to=NEW if now == OLD else OLD)
        time.sleep(1)
    assert failed.returncode != 0
    assert f"nothing else was changed and {now} serves on" in told_why(failed)
    assert failed.changed == []
    assert wrote.complaints == []
    serves_on(cluster, wrote, now)


def test_one_that_fails_afterwards_leaves_the_rest_to_the_next_run(cluster: Site, wrote: Writers) -> None:
    (now,) = primaries(cluster)
    other = NEW if now == OLD else OLD
    cluster.write(**failing(cluster.directory, "after_switchover_promotion"))
    with wrote.running():
        failed = cluster.play(playbook=SWITCHOVER, switchover_to=other)
        time.sleep(1)
    assert failed.returncode != 0
    assert f"{other} is primary and clients go on, but the others do not follow yet" in told_why(failed)
    assert wrote.complaints == []
    assert primaries(cluster) == [other]
    exactly_what_was_told(cluster, other, wrote)
    cluster.write()
    done = cluster.play(playbook=SWITCHOVER, switchover_to=other)
    assert done.returncode == 0, done.failures
    assert streaming(cluster, other) == sorted(name.replace("-", "_") for name in (now, THIRD))
    assert cluster.play("--diff").changed == []
