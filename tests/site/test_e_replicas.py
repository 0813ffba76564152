"""Standbys join, stream from one another, are waited for and leave, while clients work and notice nothing.

The tests are one story, in this order, on the same nodes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab import networks
from lab.checkout import ROOT
from lab.nodes import Node
from lab.waiting import wait_until
from tests.site.conftest import PASSWORDS, VARIABLES, Site, booted
from tests.site.pgbench import Load
from tests.site.playing import Run, command, environment, first_difference

FIRST_ADDRESS = 51
PRIMARY, SECOND, THIRD, POOLER = "rep-pg1", "rep-pg2", "rep-pg3", "rep-pool1"
NAMES = (PRIMARY, SECOND, THIRD, POOLER)
ADDRESS = {name: networks.address(FIRST_ADDRESS + place) for place, name in enumerate(NAMES)}
MEMBER = {name: name.replace("-", "_") for name in NAMES}
ADD, REMOVE = "runbook.postgres.add_replica", "runbook.postgres.remove_replica"
REINIT = "runbook.postgres.reinit"
ANY_ONE = {"mode": "any", "count": 1}
VERIFIED = "user=app dbname=shop sslmode=verify-full sslrootcert=/etc/ssl/postgres/ca.crt"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two servers of which the first has commits wait for the second from its first run on; a third that is to join."""
    nodes = booted(NAMES, FIRST_ADDRESS, bare=False)
    # A pool that can read from one standby only reads from the last of two.
    variables = {**VARIABLES, "replication_synchronous": ANY_ONE, "pgbouncer_read_offset": 1}
    made = Site(tmp_path_factory.mktemp("rep"), nodes, variables, [PRIMARY, SECOND], POOLER, FIRST_ADDRESS)
    made.write()
    built = made.play()
    assert built.returncode == 0, built.failures or built.output
    yield made
    for node in nodes.values():
        node.stop()


@pytest.fixture(scope="module")
def load(cluster: Site) -> Load:
    """Through the pooler and straight at the primary, from a host that may do both."""
    node = cluster.nodes[POOLER]
    node.write("/root/.pgpass", f"*:*:*:app:{PASSWORDS['app']}\n", mode="0600")
    ways = {
        "straight": f"host={ADDRESS[PRIMARY]} {VERIFIED}",
        "pooled": f"host={ADDRESS[POOLER]} port=6432 {VERIFIED}",
    }
    made = Load(node, ways)
    made.initialise("straight")
    return made


def slots(cluster: Site, name: str) -> dict[str, str]:
    """Each slot, and whether it keeps WAL."""
    sql = "SELECT slot_name, restart_lsn IS NOT NULL FROM pg_replication_slots ORDER BY 1"
    return dict(line.split("|") for line in cluster.psql(name, sql).splitlines())


def streams_to(cluster: Site, name: str) -> list[str]:
    sql = "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming' ORDER BY 1"
    return cluster.psql(name, sql).splitlines()


def read_pool(cluster: Site) -> str:
    text = cluster.nodes[POOLER].exec(["cat", "/etc/pgbouncer/pgbouncer.ini"]).stdout
    return next(line for line in text.splitlines() if line.strip().startswith("shop_ro"))


def lets_in(cluster: Site, name: str) -> str:
    directory = "/etc/postgresql/*/main"
    return cluster.nodes[name].exec(["sh", "-c", f"cat {directory}/pg_hba.conf {directory}/pg_ident.conf"]).stdout


def system_identifier(cluster: Site, name: str) -> str:
    return cluster.psql(name, "SELECT system_identifier FROM pg_control_system()")


def unit(cluster: Site, name: str) -> str:
    return f"postgresql@{cluster.nodes[name].postgresql}-main"


def data(cluster: Site, name: str) -> str:
    return f"/var/lib/postgresql/{cluster.nodes[name].postgresql}/main"


def include(cluster: Site, *names: str, hosts: dict[str, dict[str, Any]] | None = None, **changed: Any) -> None:
    cluster.servers = list(names)
    cluster.write(hosts, **changed)


def quiet(cluster: Site) -> None:
    """`site` has nothing left to do."""
    again = cluster.play("--diff")
    assert again.returncode == 0, again.failures or again.output
    assert again.changed == []


def foretold(cluster: Site, load: Load, playbook: str, **variables: Any) -> Run:
    """A dry run, and then the run under load: both tell the same, and the clients notice nothing."""
    said = cluster.play("--check", "--diff", playbook=playbook, **variables)
    assert said.returncode == 0, said.failures or said.output
    with load.running():
        done = cluster.play("--diff", playbook=playbook, **variables)
    assert done.returncode == 0, done.failures or done.output
    assert said.told() == done.told(), first_difference(said.told(), done.told())
    assert load.nothing_failed(), load.told
    return done


def killed(cluster: Site, end: Callable[[subprocess.Popen[bytes]], object]) -> int:
    """An add_replica that copies slowly, and what ends it while it copies."""
    process = subprocess.Popen(
        command(cluster.inventory, ADD, variables={"add_replica_host": THIRD, "replication_max_rate": "256k"}),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    copying = ["pgrep", "-x", "pg_basebackup"]
    wait_until("it copies", lambda: cluster.nodes[THIRD].exec(copying, check=False).returncode == 0, bound=180)
    end(process)
    return process.wait(300)


def test_commits_wait_after_a_first_run_that_nobody_watched(cluster: Site) -> None:
    assert cluster.psql(PRIMARY, "SHOW synchronous_standby_names") == 'ANY 1 ("rep_pg1", "rep_pg2")'
    assert streams_to(cluster, PRIMARY) == [MEMBER[SECOND]]


def test_a_host_with_foreign_data_is_refused_and_nothing_touched(cluster: Site) -> None:
    node = cluster.nodes[THIRD]
    node.exec(["pg_createcluster", "--start", str(node.postgresql), "main"])
    before = {name: (slots(cluster, name), lets_in(cluster, name)) for name in (PRIMARY, SECOND)}
    own = system_identifier(cluster, THIRD)
    include(cluster, PRIMARY, SECOND, THIRD)
    refused = cluster.play(playbook=ADD, add_replica_host=THIRD)
    assert refused.returncode != 0
    assert refused.changed == []
    assert own in refused.failure(THIRD)
    assert system_identifier(cluster, THIRD) == own
    assert before == {name: (slots(cluster, name), lets_in(cluster, name)) for name in (PRIMARY, SECOND)}
    node.exec(["pg_ctlcluster", str(node.postgresql), "main", "stop"])
    removed = cluster.play(playbook=REMOVE, remove_replica_host=THIRD)
    assert f"holds data of another cluster (system identifier {own})" in removed.failure(THIRD)
    assert removed.changed == []
    assert "auto" in node.exec(["cat", f"/etc/postgresql/{node.postgresql}/main/start.conf"]).stdout
    node.exec(["pg_dropcluster", "--stop", str(node.postgresql), "main"])


def test_a_replica_joins_a_cluster_in_use(cluster: Site, load: Load) -> None:
    include(cluster, PRIMARY, SECOND, THIRD)
    foretold(cluster, load, ADD, add_replica_host=THIRD)
    assert streams_to(cluster, PRIMARY) == [MEMBER[SECOND], MEMBER[THIRD]]
    for name in (PRIMARY, SECOND, THIRD):
        assert set(slots(cluster, name)) == {MEMBER[each] for each in (PRIMARY, SECOND, THIRD) if each != name}
        assert f"{ADDRESS[THIRD]}/32" in lets_in(cluster, name) or name == THIRD
    assert ADDRESS[THIRD] in read_pool(cluster)
    assert MEMBER[THIRD] in cluster.psql(PRIMARY, "SHOW synchronous_standby_names")


def test_a_second_run_changes_nothing_and_neither_does_site(cluster: Site) -> None:
    again = cluster.play("--diff", playbook=ADD, add_replica_host=THIRD)
    assert again.returncode == 0, again.failures or again.output
    assert again.changed == []
    quiet(cluster)


def test_a_commit_waits_for_a_standby(cluster: Site) -> None:
    receivers = ["-f", "walreceiver"]
    for name in (SECOND, THIRD):
        cluster.nodes[name].exec(["pkill", "-STOP", *receivers])
    written = threading.Thread(target=cluster.psql, args=(PRIMARY, "CREATE TABLE waited (x int)"))
    written.start()
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'CREATE TABLE waited%'"
    try:
        wait_until("it waits", lambda: cluster.psql(PRIMARY, waits) == "1", bound=20)
        time.sleep(1)
        assert cluster.psql(PRIMARY, waits) == "1"
        cluster.nodes[THIRD].exec(["pkill", "-CONT", *receivers])
        written.join(20)
        assert not written.is_alive()
    finally:
        for name in (SECOND, THIRD):
            cluster.nodes[name].exec(["pkill", "-CONT", *receivers], check=False)
        written.join()


def refused(cluster: Site, name: str, word: str) -> None:
    run = cluster.play(playbook=REMOVE, remove_replica_host=name)
    assert run.returncode != 0
    assert run.changed == []
    assert word in " ".join(run.failures), run.output
    assert "Traceback" not in run.output


def test_the_primary_is_not_removed(cluster: Site) -> None:
    refused(cluster, PRIMARY, "is the primary")


def test_a_standby_that_commits_need_is_not_removed(cluster: Site) -> None:
    cluster.write(replication_synchronous={"mode": "any", "count": 2})
    refused(cluster, THIRD, "Commits wait for 2")
    cluster.write()


def test_a_standby_streams_from_another(cluster: Site, load: Load) -> None:
    include(cluster, PRIMARY, SECOND, THIRD, hosts={THIRD: {"replication_upstream": SECOND}})
    foretold(cluster, load, "runbook.postgres.site")
    wait_until("the third is served by the second", lambda: streams_to(cluster, SECOND) == [MEMBER[THIRD]], bound=30)
    assert streams_to(cluster, PRIMARY) == [MEMBER[SECOND]]
    assert slots(cluster, PRIMARY) == {MEMBER[SECOND]: "t", MEMBER[THIRD]: "f"}
    quiet(cluster)


def test_the_upstream_of_another_is_not_removed(cluster: Site) -> None:
    refused(cluster, SECOND, THIRD)


def test_a_replica_leaves_a_cluster_in_use(cluster: Site, load: Load) -> None:
    own = system_identifier(cluster, THIRD)
    foretold(cluster, load, REMOVE, remove_replica_host=THIRD)
    for name in (PRIMARY, SECOND):
        assert MEMBER[THIRD] not in slots(cluster, name)
        assert ADDRESS[THIRD] not in lets_in(cluster, name)
    assert ADDRESS[THIRD] not in read_pool(cluster)
    assert MEMBER[THIRD] not in cluster.psql(PRIMARY, "SHOW synchronous_standby_names")
    node = cluster.nodes[THIRD]
    assert node.exec(["systemctl", "is-active", unit(cluster, THIRD)], check=False).stdout.strip() != "active"
    program = f"/usr/lib/postgresql/{node.postgresql}/bin/pg_controldata"
    assert own in node.exec([program, data(cluster, THIRD)], user="postgres").stdout


def test_removing_it_again_changes_nothing_and_neither_does_site(cluster: Site) -> None:
    again = cluster.play("--diff", playbook=REMOVE, remove_replica_host=THIRD)
    assert again.returncode == 0, again.failures or again.output
    assert again.changed == []
    left_alone = cluster.play("--check").failure(THIRD)
    assert "start.conf says manual: somebody keeps it from starting" in left_alone
    include(cluster, PRIMARY, SECOND)
    quiet(cluster)


def all_killed(node: Node, process: subprocess.Popen[bytes]) -> None:
    """The controller first; what it began on the node would else be finished there, behind a dry run's back."""
    os.killpg(process.pid, signal.SIGKILL)
    copying = ["pkill", "-KILL", "-x", "pg_basebackup"]
    wait_until("nothing copies", lambda: node.exec(copying, check=False).returncode == 1, bound=60)


def test_a_copy_that_was_killed_is_finished_by_the_next_run(cluster: Site, load: Load) -> None:
    node = cluster.nodes[THIRD]
    node.exec(["rm", "-rf", data(cluster, THIRD)])
    include(cluster, PRIMARY, SECOND, THIRD)
    with load.running():
        copy_killed = killed(cluster, lambda _: node.exec(["pkill", "-KILL", "-x", "pg_basebackup"]))
        controller_killed = killed(cluster, lambda process: all_killed(node, process))
    assert copy_killed > 0
    assert controller_killed == -signal.SIGKILL
    assert load.nothing_failed(), load.told
    foretold(cluster, load, ADD, add_replica_host=THIRD)
    assert streams_to(cluster, PRIMARY) == [MEMBER[SECOND], MEMBER[THIRD]]
    assert node.exec(["sh", "-c", f"ls -d {data(cluster, THIRD)}.*"], check=False).stdout == ""
    # It had been kept from starting when it left.
    start = f"/etc/postgresql/{node.postgresql}/main/start.conf"
    assert node.exec(["grep", "-v", "^#", start]).stdout.split() == ["auto"]
    quiet(cluster)


def test_a_replica_whose_wal_is_gone_is_told_and_copied_anew_when_it_is_named(cluster: Site) -> None:
    """It was away for longer than its slot could keep WAL for it."""
    node = cluster.nodes[THIRD]
    node.exec(["systemctl", "stop", unit(cluster, THIRD)])
    used = "SELECT slot_name FROM pg_replication_slots WHERE active"
    wait_until("its slot is free", lambda: MEMBER[THIRD] not in cluster.psql(PRIMARY, used).split(), bound=60)
    cluster.psql(PRIMARY, f"SELECT pg_drop_replication_slot('{MEMBER[THIRD]}')")
    for _ in range(3):
        cluster.psql(PRIMARY, "CREATE TABLE goes_by (); DROP TABLE goes_by")
        cluster.psql(PRIMARY, "SELECT pg_switch_wal()")
        cluster.psql(PRIMARY, "CHECKPOINT")
    node.exec(["systemctl", "start", unit(cluster, THIRD)])
    run = cluster.play()
    assert "keeps it from" in run.failure(THIRD)
    assert "name it in replication_rebuild" in run.failure(THIRD)
    copied = cluster.play(playbook=REINIT, reinit_host=THIRD)
    assert copied.returncode == 0, copied.failures or copied.output
    assert streams_to(cluster, PRIMARY) == [MEMBER[SECOND], MEMBER[THIRD]]
    aside = node.exec(["sh", "-c", f"ls -d {data(cluster, THIRD)}.before-rebuild-*"]).stdout.split()
    assert len(aside) == 1
    quiet(cluster)
    # As it is typed behind -e.
    assert cluster.play("-e", f"replication_rebuild={THIRD}").changed == []
    assert cluster.play(playbook=REINIT, reinit_host=THIRD).changed == []
