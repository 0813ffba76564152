"""The primary is gone while clients write: a standby takes over once that is proven, and has all that was acknowledged.

The tests are one story, in this order, on the same nodes. Commits wait for one standby.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab.waiting import wait_until
from tests.site.acknowledged import Writers
from tests.site.conftest import Site
from tests.site.failing_over import CONFIRMED, FAILOVER, boot, kill, power, without
from tests.site.handing_over import built, exactly_what_was_told, primaries, streaming, told_why, writers
from tests.site.hooking import Hooks
from tests.site.playing import Run

FIRST_ADDRESS = 91
OLD, NEW, THIRD, POOLER = "fo-pg1", "fo-pg2", "fo-pg3", "fo-pool1"


STEPS = ("before_failover", "after_fencing", "after_failover_promotion", "after_failover")


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Hooks:
    return Hooks.written(tmp_path_factory.mktemp("hooks"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, hooks: Hooks) -> Iterator[Site]:
    site = built(tmp_path_factory.mktemp("failover"), "fo", FIRST_ADDRESS, **CONFIRMED, **hooks.at(*STEPS))
    yield site
    for node in site.nodes.values():
        node.stop()


@pytest.fixture(scope="module")
def wrote(cluster: Site) -> Writers:
    return writers(cluster)


def said(run: Run, task: str) -> str:
    return " ".join(str(each.result.get("msg")) for each in run.outcomes if each.task == task)


def goes_on(cluster: Site, name: str, segments: int = 6) -> None:
    """It writes for long, and removes what it keeps for nobody. Clients wait for nothing of it."""
    for _segment in range(segments):
        cluster.psql(name, "SELECT pg_switch_wal()")
        cluster.psql(name, "CHECKPOINT")


def promoted(cluster: Site) -> tuple[str, str]:
    """The one primary that there is, and how the one that follows it is called there."""
    (new,) = primaries(cluster)
    return new, {NEW: "fo_pg3", THIRD: "fo_pg2"}[new]


def test_a_cluster_that_works_is_left_alone(cluster: Site) -> None:
    done = cluster.play("--diff", playbook=FAILOVER)
    assert done.returncode == 0, done.failures or done.output
    assert done.changed == []
    assert "nobody is promoted" in said(done, "Show the decision and what it rests on")
    refused = cluster.play(playbook=FAILOVER, failover_to=NEW)
    assert f"switch over to {NEW}" in told_why(refused)
    assert refused.changed == []


def test_the_primary_is_gone(cluster: Site, wrote: Writers, hooks: Hooks, capsys: pytest.CaptureFixture[str]) -> None:
    """Looked at first, then without a proof, then with one."""
    with wrote.running():
        time.sleep(2)
        kill(cluster.nodes[OLD])
        without(cluster, OLD)
        unproven = cluster.play("--diff", playbook=FAILOVER)
        assert f"{OLD} is not proven to be fenced" in told_why(unproven)
        assert unproven.changed == []
        assert primaries(cluster) == []

        without(cluster, OLD, **power(cluster.nodes[OLD]))
        foreseen = cluster.play("--check", "--diff", playbook=FAILOVER)
        assert foreseen.returncode == 0, foreseen.failures or foreseen.output
        assert foreseen.changed == []
        evidence = said(foreseen, "Show the decision and what it rests on")
        assert f"{OLD} may be the old primary" in evidence
        assert f"promote {NEW}" in evidence or f"promote {THIRD}" in evidence
        assert primaries(cluster) == []

        # That of the run without a proof; a dry run notes nothing.
        assert [step.partition(":")[0] for step in hooks.seen()] == ["before_failover"]

        # Which of them has more when it dies nobody knows; to name the other one would rightly be refused.
        done = cluster.play("--diff", playbook=FAILOVER)
        time.sleep(2)
    assert done.returncode == 0, done.failures or done.output
    with capsys.disabled():
        print(f"\n  longest time without a commit: {wrote.longest_gap_ms} ms of {len(wrote.acknowledged)} commits")
        print(f"  {said(done, 'Tell how it went')}")
    new, follows = promoted(cluster)
    exactly_what_was_told(cluster, new, wrote)
    assert streaming(cluster, new) == [follows]
    # The backup that is due would be refused until then.
    assert cluster.psql(new, "SELECT timeline_id FROM pg_control_checkpoint()") == "2"
    # On those that were there.
    assert hooks.seen() == {f"{step}: {OLD} -> {new}": [NEW, THIRD, POOLER] for step in STEPS}
    assert list(hooks.seen()) == [f"{step}: {OLD} -> {new}" for step in STEPS]


def test_a_second_run_and_site_change_nothing(cluster: Site) -> None:
    for book in (FAILOVER, "runbook.postgres.site"):
        again = cluster.play("--diff", playbook=book)
        lost = {each.host for each in again.outcomes if each.said in ("failed", "unreachable")}
        assert lost <= {OLD}, again.failures
        assert again.changed == []
    promoted(cluster)


def test_the_old_one_returns_by_itself_and_is_brought_back(cluster: Site, wrote: Writers) -> None:
    """It does not know that another was promoted, and somebody writes to it. Nobody archives anything."""
    new, follows = promoted(cluster)
    assert cluster.psql(new, "SHOW archive_mode") == "off"
    goes_on(cluster, new)
    boot(cluster.nodes[OLD])
    cluster.write()
    wait_until("it is back as a primary", lambda: OLD in primaries(cluster), bound=60)
    stray = "SET synchronous_commit = local; INSERT INTO kept VALUES (-1)"
    cluster.psql(OLD, stray, "shop")
    refused = cluster.play(playbook=FAILOVER)
    assert "both take writes" in told_why(refused)
    assert refused.changed == []

    fenced = cluster.play(playbook="runbook.postgres.fence", fence_host=OLD)
    assert fenced.returncode == 0, fenced.failures
    assert primaries(cluster) == [new]
    back = cluster.play("--diff", playbook="runbook.postgres.rejoin", rejoin_host=OLD)
    assert back.returncode == 0, back.failures or back.output
    wait_until("all stream", lambda: streaming(cluster, new) == ["fo_pg1", follows], bound=60)
    exactly_what_was_told(cluster, new, wrote)
    again = cluster.play("--diff")
    assert again.returncode == 0, again.failures
    assert again.changed == []
