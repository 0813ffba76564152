"""Two servers: what is lost where commits wait for nobody, and what commits wait for where nobody else is left.

The tests are one story, in this order, on the same nodes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab.waiting import wait_until
from tests.site.acknowledged import Writers
from tests.site.conftest import Site
from tests.site.failing_over import CONFIRMED, FAILOVER, boot, kill, power, without
from tests.site.handing_over import built_of, exactly_what_was_told, kept, primaries, streaming, told_why, writers

FIRST_ADDRESS = 121
OLD, NEW = "ft-pg1", "ft-pg2"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = built_of(2, tmp_path_factory.mktemp("two"), "ft", FIRST_ADDRESS, {})
    yield site
    for node in site.nodes.values():
        node.stop()


@pytest.fixture(scope="module")
def wrote(cluster: Site) -> Writers:
    return writers(cluster)


def cut(site: Site, name: str, other: str) -> None:
    """The one sends nothing to the other any more, which hears of that when it asks anew."""
    site.nodes[name].exec(["ip", "route", "add", "blackhole", site.nodes[other].ip])
    site.nodes[other].exec(["pkill", "-TERM", "-f", "postgres: .*walreceiver"])


def test_no_more_is_lost_than_the_standby_never_got(cluster: Site, wrote: Writers) -> None:
    """Commits wait for nobody, and the standby was cut off for a while before the primary died."""
    with wrote.running():
        time.sleep(2)
        cluster.psql(OLD, "CHECKPOINT")
        sent = set(wrote.acknowledged)
        wait_until("it has those", lambda: sent <= set(kept(cluster, NEW)), bound=60)
        cut(cluster, OLD, NEW)
        since = len(wrote.acknowledged)
        wait_until("clients write on", lambda: len(wrote.acknowledged) > since + 200, bound=60)
        kill(cluster.nodes[OLD])
        without(cluster, OLD, **power(cluster.nodes[OLD]))
        refused = cluster.play("--diff", playbook=FAILOVER)
        assert "say allow_data_loss" in told_why(refused)
        assert refused.changed == []
        # Force accepts no loss.
        assert cluster.play(playbook=FAILOVER, failover_force=True).returncode != 0
        told = len(wrote.acknowledged)
        done = cluster.play("--diff", playbook=FAILOVER, failover_allow_data_loss=True)
        assert done.returncode == 0, done.failures or done.output
        wait_until("clients go on", lambda: len(wrote.acknowledged) > told + 50, bound=60)
    assert primaries(cluster) == [NEW]
    assert "Nobody knows how much of what was acknowledged is lost" in done.output
    found = kept(cluster, NEW)
    first = min(wrote.begun)
    assert len(found) == len(set(found))
    assert {value for value in found if value >= first} <= wrote.begun
    assert sent <= set(found)
    lost = set(wrote.acknowledged) - set(found)
    assert lost
    # Whatever came first of those is later than what was seen to have arrived.
    assert min(wrote.acknowledged[value] for value in lost) > max(wrote.acknowledged[value] for value in sent)


def test_it_is_brought_back_without_what_only_it_had(cluster: Site) -> None:
    boot(cluster.nodes[OLD])
    cluster.write()
    assert cluster.play(playbook="runbook.postgres.fence", fence_host=OLD).returncode == 0
    back = cluster.play(playbook="runbook.postgres.rejoin", rejoin_host=OLD)
    assert back.returncode == 0, back.failures or back.output
    wait_until("it streams", lambda: streaming(cluster, NEW) == ["ft_pg1"], bound=60)


def test_where_nobody_is_left_commits_wait_for_nobody_once_that_is_said(cluster: Site, wrote: Writers) -> None:
    cluster.variables.update(CONFIRMED)
    cluster.write()
    made = cluster.play()
    assert made.returncode == 0, made.failures
    with wrote.running():
        time.sleep(2)
        kill(cluster.nodes[NEW])
        without(cluster, NEW, **power(cluster.nodes[NEW]))
        refused = cluster.play("--diff", playbook=FAILOVER)
        assert "say without_synchronous" in told_why(refused)
        assert refused.changed == []
        told = len(wrote.acknowledged)
        done = cluster.play("--diff", playbook=FAILOVER, failover_without_synchronous=True)
        assert done.returncode == 0, done.failures or done.output
        wait_until("clients go on", lambda: len(wrote.acknowledged) > told + 50, bound=60)
    assert primaries(cluster) == [OLD]
    assert "Nothing that was acknowledged is lost" in done.output
    exactly_what_was_told(cluster, OLD, wrote)
