"""A server that is down, for each reason that can be had here: what is said, what is refused, and that it serves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.checkout import ROOT
from lab.clusters import Cluster
from lab.nodes import Node
from lab.waiting import wait_until
from tests.integration import inside
from tests.integration.converge import Converged, converge, host_variables

NAMES = ("down1", "down2")
FIRST, SECOND = NAMES
SMALL = "/small"
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n"


@dataclass(frozen=True)
class Pair:
    primary: Cluster
    standby: Cluster

    @staticmethod
    def recover(cluster: Cluster, *, check: bool = False, **options: Any) -> inside.Ended:
        given = {"version": cluster.version, "timeout": 60, **options}
        return inside.run(cluster.node, "pg_server_recover", given, user="root", check=check)

    @staticmethod
    def kill(cluster: Cluster) -> None:
        pid = postmaster(cluster)
        cluster.node.exec(["kill", "-KILL", pid])
        wait_until("it is gone", lambda: cluster.node.exec(["kill", "-0", pid], check=False).returncode != 0)


def postmaster(cluster: Cluster) -> str:
    return cluster.node.exec(["head", "-n", "1", f"{cluster.data_directory}/postmaster.pid"]).stdout.strip()


def codes(ended: inside.Ended) -> list[str]:
    return [cause["code"] for cause in ended.result["causes"]]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    try:
        with ThreadPoolExecutor(2) as pool:
            nodes = list(pool.map(lambda name: Node.start(name, 12, tmpfs={SMALL: "size=200m"}), NAMES))
            list(pool.map(inside.install, nodes))
        primary = Cluster.create(nodes[0], settings={"max_wal_size": "128MB"})
        primary.psql("CREATE TABLE kept AS SELECT 1 AS a")
        yield Pair(primary, primary.clone_standby(nodes[1]))
    finally:
        for name in NAMES:
            Node.remove(name)


def test_a_server_that_serves_is_left_alone(pair: Pair) -> None:
    for cluster, role in ((pair.primary, "primary"), (pair.standby, "standby")):
        ended = pair.recover(cluster)
        assert (ended.result["state"], ended.result["changed"], ended.result["role"]) == ("up", False, role)


def test_a_server_that_was_killed_serves_again(pair: Pair) -> None:
    pair.kill(pair.primary)
    check, run = pair.recover(pair.primary, check=True), pair.recover(pair.primary)
    assert not pair.recover(pair.primary).result["changed"]
    for ended in (check, run):
        assert (ended.result["state"], ended.result["changed"]) == ("down", True)
        # Systemd may have taken the lock away by now.
        assert "killed" in codes(ended)
        assert ended.result["diff"]["after"] == "serves as primary\n"
    assert "cannot be proven" in str(check.result["causes"])
    assert pair.primary.psql("SELECT a FROM kept") == "1"
    pair.kill(pair.standby)
    assert pair.recover(pair.standby).result["streaming"] is True


Fault = Callable[[Cluster], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def done(cluster: Cluster, *steps: list[str], back: list[list[str]]) -> Iterator[None]:
    for argv in steps:
        cluster.node.exec(argv)
    try:
        yield
    finally:
        for argv in back:
            cluster.node.exec(argv)


def moved(path: str) -> Fault:
    return lambda cluster: done(
        cluster,
        ["mv", f"{cluster.data_directory}{path}", f"{cluster.data_directory}{path}.away"],
        back=[["mv", f"{cluster.data_directory}{path}.away", f"{cluster.data_directory}{path}"]],
    )


@contextlib.contextmanager
def squatted(cluster: Cluster) -> Iterator[None]:
    server = "import socket, time; s = socket.create_server(('0.0.0.0', 5432)); time.sleep(600)"
    start = ["systemd-run", "--quiet", "--unit=squatter", "/usr/bin/python3", "-c", server]
    with done(cluster, start, back=[["systemctl", "stop", "squatter"]]):
        wait_until("the port is taken", lambda: ":5432 " in cluster.node.exec(["ss", "-ltn"]).stdout)
        yield


@contextlib.contextmanager
def misspelt(cluster: Cluster) -> Iterator[None]:
    file = f"{cluster.config_directory}/conf.d/zz.conf"
    cluster.node.write(file, "work_mem = 4MB\nmax_connections = many\n", owner="postgres:postgres")
    with done(cluster, back=[["rm", file]]):
        yield


@contextlib.contextmanager
def started_by(cluster: Cluster, word: str) -> Iterator[None]:
    file = f"{cluster.config_directory}/start.conf"
    cluster.node.write(file, f"# by hand\n{word}\n", owner="postgres:postgres")
    try:
        yield
    finally:
        cluster.node.write(file, "auto\n", owner="postgres:postgres")


@contextlib.contextmanager
def full(cluster: Cluster) -> Iterator[None]:
    left = cluster.node.exec(["df", "--output=avail", "--block-size=1", SMALL]).stdout.split()[-1]
    filler = f"{SMALL}/filler"
    with done(cluster, ["fallocate", "-l", str(int(left) - (10 << 20)), filler], back=[["rm", filler]]):
        yield


def masked(cluster: Cluster) -> contextlib.AbstractContextManager[None]:
    mask, unmask = (["systemctl", verb, "--runtime", cluster.unit] for verb in ("mask", "unmask"))
    return done(cluster, mask, back=[unmask])


def data(argv: list[str], back: list[str]) -> Fault:
    return lambda cluster: done(cluster, [*argv, cluster.data_directory], back=[[*back, cluster.data_directory]])


FAULTS: list[tuple[str, Fault, tuple[str, ...]]] = [
    ("port_taken", squatted, ("Port 5432 is taken by",)),
    ("configuration", misspelt, ("max_connections", "many")),
    ("kept_stopped", lambda cluster: started_by(cluster, "manual"), ("start.conf says manual",)),
    ("masked", masked, ("systemctl unmask",)),
    ("mode", data(["chmod", "0755"], ["chmod", "0700"]), ("has mode 0755",)),
    ("owner", data(["chown", "root"], ["chown", "postgres"]), ("belongs to root",)),
    ("no_data", moved(""), ("does not exist",)),
    ("no_data", moved("/PG_VERSION"), ("PG_VERSION is missing",)),
    ("control_data", moved("/global/pg_control"), ("control data", "pg_control")),
    ("disk_full", full, ("file system of WAL", "10 MiB of 200 MiB are free")),
    (
        "part_missing",
        lambda cluster: done(
            cluster, ["mv", f"{SMALL}/wal", f"{SMALL}/w"], back=[["mv", f"{SMALL}/w", f"{SMALL}/wal"]]
        ),
        (f"pg_wal -> {SMALL}/wal",),
    ),
]


def test_what_starting_would_not_cure_is_refused_and_touches_nothing(pair: Pair) -> None:
    """Each in turn on a server that was stopped; when it is mended the server comes up with all it had."""
    cluster, node = pair.primary, pair.primary.node
    cluster.stop()
    node.exec(["mv", f"{cluster.data_directory}/pg_wal", f"{SMALL}/wal"])
    node.exec(["ln", "-s", f"{SMALL}/wal", f"{cluster.data_directory}/pg_wal"])
    for code, fault, words in FAULTS:
        with fault(cluster):
            ended = [
                pair.recover(cluster, check=check) for check in ((True, False) if code == "disk_full" else (False,))
            ]
            assert not cluster.accepts_connections(), code
        for each in ended:
            assert code in codes(each), (code, each.text)
            assert all(word in each.failure for word in words), each.failure
            assert each.result["changed"] is False
        assert len({each.failure for each in ended}) == 1
    refused = pair.recover(cluster, primary="db9")
    assert "db9 is the primary" in refused.failure
    # A lock of a process that is gone is nothing that a start would not see to.
    node.write(f"{cluster.data_directory}/postmaster.pid", "4194000\n", owner="postgres:postgres", mode="0600")
    run = pair.recover(cluster)
    assert (run.result["state"], codes(run)) == ("down", ["stale_lock", "stopped"]), run.text
    assert cluster.psql("SELECT a FROM kept") == "1"


def test_who_is_named_is_started_although_it_was_kept_stopped(pair: Pair) -> None:
    pair.primary.stop()
    with started_by(pair.primary, "manual"):
        # Debian's unit starts by hand what does not start by itself.
        assert pair.recover(pair.primary, despite=["kept_stopped"]).result["changed"] is True
    assert pair.primary.accepts_connections()


def test_what_only_a_start_shows_is_told_in_the_servers_words(pair: Pair) -> None:
    cluster, file = pair.primary, f"{pair.primary.config_directory}/conf.d/zz.conf"
    cluster.stop()
    cluster.node.write(file, "shared_preload_libraries = 'nope'\n", owner="postgres:postgres")
    failed = pair.recover(cluster)
    cluster.node.exec(["rm", file])
    assert 'ended again: could not access file "nope"' in failed.failure
    again = pair.recover(cluster, check=True)
    assert 'could not access file "nope"' in str(again.result["causes"])
    assert pair.recover(cluster).result["changed"] is True


def test_a_server_that_is_frozen_is_left_to_a_person(pair: Pair) -> None:
    pid = postmaster(pair.primary)
    pair.primary.node.exec(["kill", "-STOP", pid])
    try:
        assert f"kill -CONT {pid}" in pair.recover(pair.primary).failure
    finally:
        pair.primary.node.exec(["kill", "-CONT", pid])
    assert pair.recover(pair.primary).result["state"] == "up"


def test_again_and_again(pair: Pair) -> None:
    cluster = pair.primary
    for _crash in range(3):
        cluster.psql("COPY (SELECT pg_backend_pid()) TO PROGRAM 'xargs kill -KILL'", check=False)
        wait_until("it recovered", cluster.accepts_connections)
    pair.kill(cluster)
    for check in (True, False):
        refused = pair.recover(cluster, check=check)
        assert "crashed 3 times within 10 minutes" in refused.failure
    assert not cluster.accepts_connections()
    assert pair.recover(cluster, despite=["crash_loop"]).result["changed"] is True
    assert cluster.psql("SELECT a FROM kept") == "1"


def test_recovery_that_waits_for_wal_says_so_and_is_waited_for_again(pair: Pair) -> None:
    primary, standby = pair.primary, pair.standby
    primary.stop()
    standby.stop()
    wal = f"{standby.data_directory}/pg_wal"
    standby.node.exec(["find", wal, "-maxdepth", "1", "-name", "0000*", "-execdir", "mv", "{}", "/tmp/", ";"])
    assert "takes no connections after" in pair.recover(standby, timeout=5).failure

    def told() -> str:
        return str(pair.recover(standby, check=True).result["causes"])

    wait_until("it says what it waits for", lambda: "waits for WAL file 0000" in told())
    assert "waits for WAL file 0000" in pair.recover(standby, timeout=1).failure
    check = pair.recover(standby, check=True)
    assert (check.result["state"], check.result["changed"]) == ("starting", False)
    primary.start()
    run = pair.recover(standby)
    assert (run.result["changed"], run.result["role"]) == (False, "standby"), run.text
    wait_until("it streams", lambda: primary.streaming_standbys() == [f"{SECOND}_main"])


@pytest.fixture
def play(pair: Pair, tmp_path: Path) -> Callable[..., Converged]:
    hosts = {
        name: host_variables(cluster.node, postgres_address=cluster.node.ip)
        for name, cluster in ((FIRST, pair.primary), (SECOND, pair.standby))
    }
    shared = {"postgres_cluster": "orders", "postgres_hosts": list(NAMES), "server_recover_timeout": 60}

    def run(*, check: bool = False, ok: bool = True, **variables: Any) -> Converged:
        book = ROOT / "playbooks/server_recover.yml"
        return converge(hosts, tmp_path, book, {**shared, **variables}, check=check, ok=ok)

    return run


def test_a_cluster_is_down_and_serves_again_with_what_depends_on_it(pair: Pair, play: Callable[..., Converged]) -> None:
    pair.kill(pair.primary)
    pair.standby.stop()
    for cluster in (pair.primary, pair.standby):
        cluster.node.write("/etc/systemd/system/exporter.service", UNIT)
        cluster.node.exec(["systemctl", "daemon-reload"])
    check, run = (play(check=check, server_recover_units=["exporter.service"]) for check in (True, False))
    assert check.outcomes == run.outcomes
    assert "was killed" in str(run.task("Tell", FIRST).result["msg"])
    assert sorted(set(run.changes)) == ["Have it run", "Have the primary serve", "Have the standbys serve"]
    assert pair.primary.streaming_standbys() == [f"{SECOND}_main"]
    assert pair.primary.node.exec(["systemctl", "is-active", "exporter"]).stdout.strip() == "active"
    assert play(server_recover_units=["exporter.service"]).changes == []


def test_a_primary_that_was_replaced_stays_down(pair: Pair, play: Callable[..., Converged]) -> None:
    """The last of the story: afterwards the two are no cluster any more."""
    pair.primary.stop()
    pair.standby.promote()
    pair.standby.stop()
    told = play(ok=False)
    assert f"{SECOND} has data of timeline 2, which left it" in " ".join(told.failures)
    assert not pair.primary.accepts_connections()
    # It is the one that was promoted last, and may come back.
    assert pair.standby.accepts_connections()
    told = play(ok=False)
    assert f"{SECOND} is the primary: two would take writes" in " ".join(told.failures)
    assert not pair.primary.accepts_connections()
