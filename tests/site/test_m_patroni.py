"""Patroni keeps a cluster that was built here: handed over and switched over under load, failed over, taken back.

The tests are one story, in this order, on the same nodes. Two servers and their pooler are the three hosts of etcd as
well, so that one of the servers can be lost.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest

from lab.docker import docker
from lab.waiting import wait_until
from tests.site.acknowledged import Writers
from tests.site.conftest import VARIABLES, Site, booted
from tests.site.handing_over import SWITCHOVER, exactly_what_was_told, primaries, streaming, told_why, writers

FIRST_ADDRESS = 111
OLD, NEW, POOLER = "pat-pg1", "pat-pg2", "pat-pool1"
PATRONI = "runbook.postgres.patroni"
SYNCHRONOUS = {"mode": "any", "count": 1}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    names = [OLD, NEW, POOLER]
    nodes = booted(names, FIRST_ADDRESS, bare=False)
    # Quick to act, on a machine that may be slow.
    quick = {"patroni_ttl": 20, "patroni_loop_wait": 2, "patroni_retry_timeout": 8}
    variables = {**VARIABLES, **quick, "replication_synchronous": SYNCHRONOUS, "patroni_etcd_hosts": names}
    site = Site(tmp_path_factory.mktemp("patroni"), nodes, variables, names[:2], POOLER, FIRST_ADDRESS)
    site.write()
    done = site.play()
    assert done.returncode == 0, done.failures or done.output
    site.psql(OLD, "SET ROLE app; CREATE TABLE kept (value bigint NOT NULL)", "shop")
    yield site
    for node in nodes.values():
        node.stop()


@pytest.fixture(scope="module")
def wrote(cluster: Site) -> Writers:
    return writers(cluster)


def started(site: Site, name: str) -> str:
    return site.psql(name, "SELECT pg_postmaster_start_time()")


def units(site: Site, name: str) -> dict[str, str]:
    """What systemd says of who may run the server."""
    asked = ("patroni.service", "postgresql@15-main.service")
    return {unit: site.nodes[name].exec(["systemctl", "is-active", unit], check=False).stdout.strip() for unit in asked}


def patronictl(site: Site, *words: str) -> str:
    argv = ["patronictl", "-c", "/etc/patroni/config.yml", *words]
    return site.nodes[OLD].exec(argv, user="postgres").stdout


def confirms(site: Site, member: str) -> bool:
    """Whether Patroni has commits wait for it, and would let it take over."""
    rows = [line for line in patronictl(site, "list", "shop").splitlines() if member in line]
    return any("Sync Standby" in row for row in rows)


@contextmanager
def unheard(site: Site, name: str, by: str) -> Iterator[None]:
    """Patroni on one does not answer the other's; etcd and the servers are not touched."""
    rule = ["INPUT", "-s", site.nodes[by].ip, "-p", "tcp", "--dport", "8008", "-j", "REJECT"]
    site.nodes[name].exec(["iptables", "-I", *rule])
    try:
        yield
    finally:
        site.nodes[name].exec(["iptables", "-D", *rule])


def test_too_little_etcd_is_refused(cluster: Site) -> None:
    cluster.write(patroni_etcd_hosts=[OLD])
    refused = cluster.play(playbook=PATRONI)
    cluster.write()
    assert refused.returncode != 0
    assert "cannot lose a single host" in told_why(refused)
    assert refused.changed == []


def test_a_dry_run_touches_nothing(cluster: Site) -> None:
    began = {name: started(cluster, name) for name in (OLD, NEW)}
    seen = cluster.play("--check", "--diff", playbook=PATRONI)
    assert seen.returncode == 0, seen.failures or seen.output
    assert seen.changed != []
    assert {name: started(cluster, name) for name in began} == began
    for name in (OLD, NEW):
        assert cluster.nodes[name].exec(["cat", "/etc/postgresql/15/main/start.conf"]).stdout.count("auto")
        assert units(cluster, name)["patroni.service"] != "active"


def test_it_is_handed_over_under_load(cluster: Site, wrote: Writers, capsys: pytest.CaptureFixture[str]) -> None:
    with wrote.running():
        time.sleep(1)
        done = cluster.play(playbook=PATRONI)
        time.sleep(1)
    assert done.returncode == 0, done.failures or done.output
    with capsys.disabled():
        print(f"\n  longest time without a commit: {wrote.longest_gap_ms} ms of {len(wrote.acknowledged)} commits")
    assert wrote.complaints == []
    assert primaries(cluster) == [OLD]
    assert streaming(cluster, OLD) == ["pat_pg2"]
    exactly_what_was_told(cluster, OLD, wrote)
    for name in (OLD, NEW):
        assert units(cluster, name) == {"patroni.service": "active", "postgresql@15-main.service": "inactive"}
        assert cluster.nodes[name].exec(["pg_ctlcluster", "15", "main", "start"], check=False).returncode != 0


def test_a_second_run_changes_nothing(cluster: Site) -> None:
    again = cluster.play("--diff", playbook=PATRONI)
    assert again.returncode == 0, again.failures or again.output
    assert again.changed == []


def test_site_changes_nothing(cluster: Site) -> None:
    again = cluster.play("--diff")
    assert again.returncode == 0, again.failures or again.output
    assert again.changed == []


def test_a_failover_by_hand_is_left_to_patroni(cluster: Site) -> None:
    refused = cluster.play(playbook="runbook.postgres.failover", failover_to=NEW)
    assert refused.returncode != 0
    assert "Patroni runs on" in told_why(refused)


def test_a_dry_run_of_a_switchover_tells_what_patroni_would_be_asked(cluster: Site) -> None:
    began = {name: started(cluster, name) for name in (OLD, NEW)}
    wait_until("commits wait for the standby", lambda: confirms(cluster, "pat_pg2"), bound=60)
    seen = cluster.play("--check", "--diff", playbook=SWITCHOVER, switchover_to=NEW)
    assert seen.returncode == 0, seen.failures or seen.output
    assert seen.changed == []
    shown = next(each for each in seen.outcomes if each.task == "Show the decision and what it rests on")
    assert f"ask Patroni on {OLD} to have {NEW} take over" in shown.result["msg"]
    assert primaries(cluster) == [OLD]
    assert {name: started(cluster, name) for name in began} == began


def test_no_switchover_while_somebody_has_paused_patroni(cluster: Site) -> None:
    patronictl(cluster, "pause", "--wait", "shop")
    refused = cluster.play(playbook=SWITCHOVER, switchover_to=NEW)
    patronictl(cluster, "resume", "--wait", "shop")
    assert refused.returncode != 0
    assert "Patroni is paused" in told_why(refused)
    assert refused.changed == []
    assert primaries(cluster) == [OLD]


def test_patroni_is_not_asked_while_a_transaction_does_not_end(cluster: Site, wrote: Writers) -> None:
    with psycopg2.connect(**wrote.where) as idle, idle.cursor() as cursor:
        cursor.execute("SELECT txid_current()")
        with wrote.running():
            refused = cluster.play(playbook=SWITCHOVER, switchover_to=NEW, switchover_pause_limit=1)
            time.sleep(1)
        cursor.execute("SELECT 1")
    assert refused.returncode != 0
    assert "did not end within 1 s" in told_why(refused)
    assert f"{OLD} serves on" in told_why(refused)
    assert wrote.complaints == []
    assert primaries(cluster) == [OLD]
    exactly_what_was_told(cluster, OLD, wrote)


def test_clients_go_on_when_patroni_does_not_do_it(cluster: Site, wrote: Writers) -> None:
    """It finds no good candidate, for a reason that nobody else sees."""
    with unheard(cluster, NEW, by=OLD), wrote.running():
        refused = cluster.play(playbook=SWITCHOVER, switchover_to=NEW)
        time.sleep(1)
    assert refused.returncode != 0
    assert "did not have pat_pg2 take over (HTTP 412: " in told_why(refused)
    assert f"{OLD} serves on as the primary" in told_why(refused)
    assert wrote.complaints == []
    assert primaries(cluster) == [OLD]
    exactly_what_was_told(cluster, OLD, wrote)


def test_patroni_switches_over_while_clients_wait(
    cluster: Site, wrote: Writers, capsys: pytest.CaptureFixture[str]
) -> None:
    with wrote.running():
        time.sleep(1)
        done = cluster.play(playbook=SWITCHOVER, switchover_to=NEW)
        time.sleep(1)
    assert done.returncode == 0, done.failures or done.output
    with capsys.disabled():
        print(f"\n  longest time without a commit: {wrote.longest_gap_ms} ms of {len(wrote.acknowledged)} commits")
        for each in done.outcomes:
            if each.task == "Tell":
                print("  " + " ".join(each.result["msg"]))
    assert wrote.complaints == []
    assert primaries(cluster) == [NEW]
    assert streaming(cluster, NEW) == ["pat_pg1"]
    exactly_what_was_told(cluster, NEW, wrote)
    assert units(cluster, NEW) == {"patroni.service": "active", "postgresql@15-main.service": "inactive"}


def test_the_same_switchover_again_changes_nothing(cluster: Site) -> None:
    again = cluster.play("--diff", playbook=SWITCHOVER, switchover_to=NEW)
    assert again.returncode == 0, again.failures or again.output
    assert again.changed == []


def test_nor_do_site_and_patroni_afterwards(cluster: Site) -> None:
    for playbook in ("runbook.postgres.site", PATRONI):
        again = cluster.play("--diff", playbook=playbook)
        assert again.returncode == 0, again.failures or again.output
        assert again.changed == []


def test_it_is_switched_back_to_the_best_there_is(cluster: Site) -> None:
    wait_until("commits wait for the standby", lambda: confirms(cluster, "pat_pg1"), bound=60)
    done = cluster.play(playbook=SWITCHOVER)
    assert done.returncode == 0, done.failures or done.output
    assert primaries(cluster) == [OLD]
    assert streaming(cluster, OLD) == ["pat_pg2"]


def test_it_fails_over_by_itself_and_clients_go_on(
    cluster: Site, wrote: Writers, capsys: pytest.CaptureFixture[str]
) -> None:
    with wrote.running():
        time.sleep(2)
        docker("kill", cluster.nodes[OLD].container)
        # What was under way may still have been told; then it is the new primary's.
        before = len(wrote.acknowledged) + wrote.clients
        wait_until("clients write again", lambda: len(wrote.acknowledged) > before, bound=180)
        time.sleep(2)
    with capsys.disabled():
        print(f"\n  longest time without a commit: {wrote.longest_gap_ms} ms of {len(wrote.acknowledged)} commits")
    exactly_what_was_told(cluster, NEW, wrote)
    docker("start", cluster.nodes[OLD].container)
    cluster.nodes[OLD].wait_until_booted()
    wait_until("the old primary follows", lambda: streaming(cluster, NEW) == ["pat_pg1"], bound=180)
    assert primaries(cluster) == [NEW]


def test_it_is_taken_back(cluster: Site, wrote: Writers) -> None:
    with wrote.running():
        done = cluster.play("--diff", playbook=PATRONI, patroni_state="absent")
        time.sleep(1)
    assert done.returncode == 0, done.failures or done.output
    assert wrote.complaints == []
    assert primaries(cluster) == [NEW]
    exactly_what_was_told(cluster, NEW, wrote)
    for name in (OLD, NEW):
        assert units(cluster, name) == {"patroni.service": "inactive", "postgresql@15-main.service": "active"}
    names = cluster.psql(NEW, "SHOW synchronous_standby_names")
    assert names == 'ANY 1 ("pat_pg1", "pat_pg2")'


def test_a_second_taking_back_changes_nothing(cluster: Site) -> None:
    again = cluster.play("--diff", playbook=PATRONI, patroni_state="absent")
    assert again.returncode == 0, again.failures or again.output
    assert again.changed == []


def test_site_changes_nothing_afterwards(cluster: Site) -> None:
    again = cluster.play("--diff")
    assert again.returncode == 0, again.failures or again.output
    assert again.changed == []
