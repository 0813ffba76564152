"""What goes wrong around a failover: it is refused, or the next run carries on, and never do two servers take writes.

The tests are one story, in this order, on the same nodes. Commits wait for one standby.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from lab.nodes import Node
from lab.waiting import wait_until
from tests.site.acknowledged import Writers
from tests.site.begun import begun, comes_to
from tests.site.conftest import Site
from tests.site.failing_over import CONFIRMED, FAILOVER, boot, frozen, kill, power, without
from tests.site.handing_over import built, exactly_what_was_told, kept, primaries, streaming, told_why, writers
from tests.site.hooking import failing

FIRST_ADDRESS = 101
OLD, NEW, THIRD, POOLER = NAMES = ("fl-pg1", "fl-pg2", "fl-pg3", "fl-pool1")
BOUND = 300.0
# From the first word to the last, beside the fence.
KILLED_AT = (
    "Refuse while another failover is under way",
    "Decide again now that it is fenced",
    "Promote",
    "Let clients go on, and say what is left",
    "Follow",
    "Tell how it went",
)
# A standby that cannot stream is not waited for as long as an operator would.
SHORT = {"replication_stream_timeout": 60, "failover_claim_seconds": 15}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = built(tmp_path_factory.mktemp("failover"), "fl", FIRST_ADDRESS, **CONFIRMED, **SHORT)
    yield site
    for node in site.nodes.values():
        node.stop()


@pytest.fixture(scope="module")
def wrote(cluster: Site) -> Writers:
    return writers(cluster)


def says(site: Site, name: str, sql: str) -> bool:
    return site.psql(name, sql) == "t"


def sole(site: Site) -> str:
    (name,) = primaries(site)
    return name


def crash(site: Site, name: str) -> None:
    """The server alone, whose host stays."""
    site.nodes[name].exec(["pg_ctlcluster", "15", "main", "stop", "-m", "immediate"])


def brought_back(site: Site, name: str, now: str) -> None:
    """It follows again, and nothing is left to do."""
    done = site.play(playbook="runbook.postgres.rejoin", rejoin_host=name)
    assert done.returncode == 0, done.failures or done.output
    others = sorted(each.replace("-", "_") for each in site.servers if each != now)
    wait_until("all stream", lambda: streaming(site, now) == others, bound=60)
    again = site.play("--diff")
    assert again.returncode == 0, again.failures
    assert again.changed == []


@contextmanager
def cut_off(nodes: Sequence[Node], address: str) -> Iterator[None]:
    """What these send there goes nowhere."""
    for node in nodes:
        node.exec(["ip", "route", "add", "blackhole", address])
    try:
        yield
    finally:
        for node in nodes:
            node.exec(["ip", "route", "del", "blackhole", address])


def untouched(site: Site, wrote: Writers, expected: str, **variables: Any) -> None:
    """It is refused with these words, and clients notice nothing."""
    with wrote.running():
        refused = site.play("--diff", playbook=FAILOVER, **variables)
        time.sleep(1)
    assert refused.returncode != 0
    assert expected in told_why(refused), told_why(refused)
    assert refused.changed == []
    assert wrote.complaints == []
    assert primaries(site) == [OLD]


def test_a_primary_that_only_the_controller_does_not_reach_stays(cluster: Site, wrote: Writers) -> None:
    without(cluster, OLD, **power(cluster.nodes[OLD]))
    untouched(cluster, wrote, "so that the primary lives there")
    # Force and a loss that is accepted are no proof of anything.
    untouched(cluster, wrote, "still reaches", failover_force=True, failover_allow_data_loss=True)
    cluster.write()


def test_a_primary_that_only_its_standbys_do_not_reach_stays(cluster: Site) -> None:
    standbys = [cluster.nodes[name] for name in (NEW, THIRD)]
    with cut_off(standbys, cluster.nodes[OLD].ip):
        for node in standbys:
            node.exec(["pkill", "-TERM", "-f", "postgres: .*walreceiver"])
        done = cluster.play("--diff", playbook=FAILOVER)
    assert "nobody is promoted" in done.output
    # Readers are led to who has something to read.
    assert {place.rpartition(" / ")[2] for place in done.changed} <= {POOLER}
    assert primaries(cluster) == [OLD]
    wait_until("they stream again", lambda: streaming(cluster, OLD) == ["fl_pg2", "fl_pg3"], bound=120)


def test_who_may_have_more_or_does_not_replay_is_named(cluster: Site) -> None:
    """Asked with --check, so that all is as it was when the server starts again."""
    crash(cluster, OLD)
    without(cluster, THIRD)
    with frozen(cluster.nodes[THIRD]):
        refused = cluster.play("--check", playbook=FAILOVER)
    assert f"{THIRD} may hold commits that were acknowledged" in told_why(refused)
    cluster.write()
    cluster.psql(NEW, "SELECT pg_wal_replay_pause()")
    paused = cluster.play("--check", playbook=FAILOVER, failover_to=NEW)
    assert f"Replay is paused on {NEW}" in told_why(paused)
    other = cluster.play("--check", playbook=FAILOVER)
    assert f"promote {THIRD}" in other.output
    cluster.psql(NEW, "SELECT pg_wal_replay_resume()")
    assert primaries(cluster) == []
    cluster.nodes[OLD].exec(["pg_ctlcluster", "15", "main", "start"])
    wait_until("they stream again", lambda: streaming(cluster, OLD) == ["fl_pg2", "fl_pg3"], bound=60)


def test_one_that_hung_and_wakes_up_is_kept_apart(cluster: Site, wrote: Writers) -> None:
    """It knows nothing of what happened, and nobody of the cluster comes to it or hears from it."""
    survivors = [cluster.nodes[name] for name in (NEW, THIRD, POOLER)]
    for node in survivors:
        node.exec(["apt-get", "update", "-q"])
        node.exec(["apt-get", "install", "-q", "-y", "--no-install-recommends", "nftables"])
    hung = cluster.nodes[OLD].ip
    with wrote.running():
        time.sleep(1)
        with frozen(cluster.nodes[OLD]):
            without(cluster, OLD, failover_fence_any_of=["block"])
            # Standbys notice after wal_receiver_timeout, and until then it may be alive.
            early = cluster.play(playbook=FAILOVER)
            if early.returncode:
                assert "so that the primary lives there" in told_why(early)
                gone = "SELECT count(*) = 0 FROM pg_stat_wal_receiver WHERE status = 'streaming'"
                for name in (NEW, THIRD):
                    wait_until("it is noticed", partial(says, cluster, name, gone), bound=120)
                done = cluster.play("--diff", playbook=FAILOVER, failover_to=NEW)
                assert done.returncode == 0, done.failures or done.output
            told = len(wrote.acknowledged)
            wait_until("clients go on", lambda: len(wrote.acknowledged) > told + 100, bound=60)
        time.sleep(3)
    for node in survivors:
        assert node.exec(["timeout", "3", "bash", "-c", f"</dev/tcp/{hung}/5432"], check=False).returncode != 0
    assert set(primaries(cluster)) == {OLD, NEW}
    exactly_what_was_told(cluster, NEW, wrote)
    # What it has and the other lacks was acknowledged to nobody.
    assert not (set(kept(cluster, OLD)) - set(kept(cluster, NEW))) & set(wrote.acknowledged)

    cluster.write()
    refused = cluster.play(playbook=FAILOVER)
    assert "both take writes" in told_why(refused)
    fenced = cluster.play(playbook="runbook.postgres.fence", fence_host=OLD)
    assert fenced.returncode == 0, fenced.failures
    brought_back(cluster, OLD, NEW)


def test_a_second_controller_is_refused(cluster: Site, wrote: Writers) -> None:
    old = sole(cluster)
    slow = power(cluster.nodes[old])
    slow["failover_fence_command"][2] = "sleep 25; " + slow["failover_fence_command"][2]
    with wrote.running():
        kill(cluster.nodes[old])
        without(cluster, old, **slow, failover_claim_seconds=120)
        with begun(cluster, FAILOVER) as run:
            comes_to(cluster, run, "Fence it from outside", BOUND)
            refused = cluster.play("--check", playbook=FAILOVER)
            assert run.wait(BOUND) == 0
        time.sleep(1)
    assert "Another failover is under way" in told_why(refused)
    now = sole(cluster)
    assert now != old
    exactly_what_was_told(cluster, now, wrote)
    boot(cluster.nodes[old])
    cluster.write()
    assert cluster.play(playbook="runbook.postgres.fence", fence_host=old).returncode == 0
    brought_back(cluster, old, now)


def test_a_controller_that_is_killed_while_it_fences_is_carried_on_from(cluster: Site, wrote: Writers) -> None:
    old = sole(cluster)
    with wrote.running():
        crash(cluster, old)
        with begun(cluster, FAILOVER) as run:
            comes_to(cluster, run, "Stop it where it runs, and keep it from starting", BOUND)
            os.killpg(run.pid, signal.SIGKILL)
        assert len(primaries(cluster)) <= 1
        done = cluster.play(playbook=FAILOVER)
        assert done.returncode == 0, done.failures or done.output
        now = sole(cluster)
        told = len(wrote.acknowledged)
        wait_until("clients go on", lambda: len(wrote.acknowledged) > told + 50, bound=60)
    assert now != old
    exactly_what_was_told(cluster, now, wrote)
    assert cluster.play("--diff", playbook=FAILOVER).changed == []
    brought_back(cluster, old, now)


def test_a_controller_that_is_killed_again_and_again_gets_there(cluster: Site, wrote: Writers) -> None:
    """Each run is killed at another step; none of them leaves what the next cannot carry on from."""
    old = sole(cluster)
    with wrote.running():
        crash(cluster, old)
        cluster.write(failover_fence_timeout=10)
        for task in KILLED_AT:
            with begun(cluster, FAILOVER) as run:
                comes_to(cluster, run, task, BOUND)
                os.killpg(run.pid, signal.SIGKILL)
            assert old not in primaries(cluster)
            assert len(primaries(cluster)) <= 1
        done = cluster.play(playbook=FAILOVER)
        assert done.returncode == 0, done.failures or done.output
        now = sole(cluster)
        told = len(wrote.acknowledged)
        wait_until("clients go on", lambda: len(wrote.acknowledged) > told + 50, bound=60)
    exactly_what_was_told(cluster, now, wrote)
    cluster.write()
    assert cluster.play("--diff", playbook=FAILOVER).changed == []
    brought_back(cluster, old, now)


def test_a_pooler_that_goes_meanwhile_holds_up_nobody_and_is_named(cluster: Site, wrote: Writers) -> None:
    old = sole(cluster)
    slow = power(cluster.nodes[old])
    slow["failover_fence_command"][2] = "sleep 10; " + slow["failover_fence_command"][2]
    kill(cluster.nodes[old])
    without(cluster, old, **slow)
    with begun(cluster, FAILOVER) as run:
        comes_to(cluster, run, "Fence it from outside", BOUND)
        kill(cluster.nodes[POOLER])
        assert run.wait(BOUND) != 0
    now = sole(cluster)
    (follows,) = {NEW, OLD, THIRD} - {old, now}
    assert streaming(cluster, now) == [follows.replace("-", "_")]
    told = " ".join((cluster.directory / "begun.log").read_text().split())
    assert f"The clients of {POOLER} are led to nobody new" in told

    boot(cluster.nodes[POOLER])
    done = cluster.play(playbook=FAILOVER)
    assert done.returncode == 0, done.failures or done.output
    with wrote.running():
        wait_until("clients go on", lambda: len(wrote.acknowledged) > 50, bound=60)
    exactly_what_was_told(cluster, now, wrote)
    boot(cluster.nodes[old])
    cluster.write()
    assert cluster.play(playbook="runbook.postgres.fence", fence_host=old).returncode == 0
    brought_back(cluster, old, now)


def test_a_step_of_the_user_s_own_that_fails_leaves_what_it_says(cluster: Site, wrote: Writers) -> None:
    old = sole(cluster)
    crash(cluster, old)
    for step, left in (
        ("before_failover", "nothing else was changed and nobody was promoted"),
        ("after_fencing", f"{old} stays fenced and nobody was promoted"),
    ):
        cluster.write(**failing(cluster.directory, step))
        failed = cluster.play(playbook=FAILOVER)
        assert failed.returncode != 0
        assert left in told_why(failed)
        assert primaries(cluster) == []
    cluster.write(**failing(cluster.directory, "after_failover_promotion"))
    failed = cluster.play(playbook=FAILOVER)
    now = sole(cluster)
    assert failed.returncode != 0
    assert f"{now} is primary and clients go on, but the others do not follow yet" in told_why(failed)
    cluster.write()
    with wrote.running():
        done = cluster.play(playbook=FAILOVER)
        assert done.returncode == 0, done.failures
        time.sleep(1)
    exactly_what_was_told(cluster, now, wrote)
    brought_back(cluster, old, now)
