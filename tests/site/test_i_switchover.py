"""A primary hands over to a standby while clients write through the pooler: none of them loses anything or is told off.

The tests are one story, in this order, on the same nodes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg2
import pytest

from lab.waiting import wait_until
from tests.site.acknowledged import Writers
from tests.site.conftest import PASSWORDS, Site
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
from tests.site.hooking import Hooks
from tests.site.pgbench import Load
from tests.site.reaching import CLIENTS, FILE, SERVICES, TAKES_WRITES, THEIRS, asked, prepared

FIRST_ADDRESS = 71
OLD, NEW, THIRD, POOLER = NAMES = "sw-pg1", "sw-pg2", "sw-pg3", "sw-pool1"
STEPS = ("before_switchover", "after_switchover_promotion", "after_switchover")


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Hooks:
    return Hooks.written(tmp_path_factory.mktemp("hooks"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, hooks: Hooks) -> Iterator[Site]:
    site = built(tmp_path_factory.mktemp("switchover"), "sw", FIRST_ADDRESS, **hooks.at(*STEPS))
    yield site
    for node in site.nodes.values():
        node.stop()


@pytest.fixture(scope="module")
def wrote(cluster: Site) -> Writers:
    return writers(cluster)


@pytest.fixture(scope="module")
def load(cluster: Site) -> Load:
    node = cluster.nodes[POOLER]
    node.write("/root/.pgpass", f"*:*:*:app:{PASSWORDS['app']}\n", mode="0600")
    made = Load(node, {"pooled": f"host={node.ip} port=6432 user=app dbname=shop sslmode=require"})
    made.initialise("pooled")
    return made


def test_a_dry_run_tells_the_decision_and_touches_nothing(cluster: Site, hooks: Hooks) -> None:
    began = {name: cluster.psql(name, "SELECT pg_postmaster_start_time()") for name in (OLD, NEW, THIRD)}
    seen = cluster.play("--check", "--diff", playbook=SWITCHOVER, switchover_to=NEW)
    assert seen.returncode == 0, seen.failures or seen.output
    assert seen.changed == []
    shown = next(each for each in seen.outcomes if each.task == "Show the decision and what it rests on")
    assert NEW in str(shown.result["msg"])
    # They were come to, and in a dry run they are one.
    assert [each.task for each in seen.outcomes if each.task == "Note the step"] == ["Note the step"] * 3 * len(NAMES)
    assert hooks.seen() == {}
    assert primaries(cluster) == [OLD]
    assert {name: cluster.psql(name, "SELECT pg_postmaster_start_time()") for name in began} == began
    for name in (OLD, NEW, THIRD, POOLER):
        assert not cluster.nodes[name].exec(["sh", "-c", "ls -d /var/lib/runbook.postgres"], check=False).stdout


def test_nobody_waits_for_a_long_transaction(cluster: Site, wrote: Writers, hooks: Hooks) -> None:
    """The pause is given up, and the primary serves on."""
    with psycopg2.connect(**wrote.where) as idle, idle.cursor() as cursor:
        cursor.execute("SELECT txid_current()")
        with wrote.running():
            refused = cluster.play(playbook=SWITCHOVER, switchover_to=NEW, switchover_pause_limit=1)
            time.sleep(1)
        cursor.execute("SELECT 1")
    assert refused.returncode != 0
    assert "did not end within 1 s" in told_why(refused)
    assert f"{OLD} serves on" in told_why(refused)
    assert primaries(cluster) == [OLD]
    assert wrote.complaints == []
    exactly_what_was_told(cluster, OLD, wrote)
    assert cluster.nodes[OLD].exec(["ls", SIGNAL], check=False).returncode != 0
    assert hooks.seen() == {f"before_switchover: {OLD} -> {NEW}": sorted(NAMES)}


def test_applications_are_told_of_services(cluster: Site) -> None:
    """On the pooler's host, beside what somebody else wrote."""
    app = cluster.nodes[POOLER]
    prepared(app)
    cluster.write({POOLER: {"client_services": SERVICES}})
    foreseen = cluster.play("--check", "--diff", playbook=CLIENTS, client_hosts=POOLER)
    done = cluster.play("--diff", playbook=CLIENTS, client_hosts=POOLER)
    assert done.returncode == 0, done.failures or done.output
    assert foreseen.told() == done.told()
    text = app.exec(["cat", FILE]).stdout
    assert text.startswith(THEIRS)
    assert "password" not in text
    assert asked(app, "shop", TAKES_WRITES) == f"{cluster.nodes[OLD].ip}|f"
    assert asked(app, "shop pooled", "SELECT pg_is_in_recovery()") == "f"
    assert asked(app, "Läden [reads", "SELECT pg_is_in_recovery()") == "t"


def test_clients_notice_nothing(cluster: Site, wrote: Writers, load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    with load.running(), wrote.running():
        time.sleep(2)
        done = cluster.play("--diff", playbook=SWITCHOVER, switchover_to=NEW)
        time.sleep(2)
    assert done.returncode == 0, done.failures or done.output
    with capsys.disabled():
        print(f"\n  longest time without a commit: {wrote.longest_gap_ms} ms of {len(wrote.acknowledged)} commits")
        print(f"  {next(each.message for each in done.outcomes if each.task == 'Tell')}")
    assert wrote.complaints == []
    assert load.nothing_failed(), load.told
    assert primaries(cluster) == [NEW]
    exactly_what_was_told(cluster, NEW, wrote)


def test_what_is_to_be_done_at_each_step_is_done(hooks: Hooks) -> None:
    seen = hooks.seen()
    assert list(seen) == [f"{step}: {OLD} -> {NEW}" for step in STEPS]
    assert all(hosts == sorted(NAMES) for hosts in seen.values())


def test_the_others_follow(cluster: Site, wrote: Writers) -> None:
    assert streaming(cluster, NEW) == ["sw_pg1", "sw_pg3"]
    # A backup is refused until then, and so is a rewind.
    assert cluster.psql(NEW, "SELECT timeline_id FROM pg_control_checkpoint()") == "2"
    caught_up = "SELECT bool_and(replay_lsn >= pg_current_wal_lsn()) FROM pg_stat_replication"
    wait_until("they have all of it", lambda: cluster.psql(NEW, caught_up) == "t", bound=60)
    for name in (OLD, THIRD):
        exactly_what_was_told(cluster, name, wrote)
    assert "ended" in cluster.nodes[OLD].exec(["cat", NOTE]).stdout


def test_the_same_services_lead_to_the_new_primary(cluster: Site) -> None:
    assert asked(cluster.nodes[POOLER], "shop", TAKES_WRITES) == f"{cluster.nodes[NEW].ip}|f"
    again = cluster.play("--diff", playbook=CLIENTS, client_hosts=POOLER)
    assert again.returncode == 0, again.failures
    assert again.changed == []


def test_site_changes_nothing_afterwards(cluster: Site) -> None:
    again = cluster.play("--diff")
    assert again.returncode == 0, again.failures
    assert again.changed == []


def test_a_second_run_changes_nothing(cluster: Site, hooks: Hooks) -> None:
    hooks.noted.unlink()
    again = cluster.play("--diff", playbook=SWITCHOVER, switchover_to=NEW)
    assert again.returncode == 0, again.failures
    assert again.changed == []
    assert primaries(cluster) == [NEW]
    assert hooks.seen() == {}
