"""A standby that is behind, for each reason that can be had here, and readers that leave it and come back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.filter.replica_lag import replica_lag
from lab.checkout import ROOT
from lab.clusters import Cluster
from lab.nodes import Node
from lab.waiting import wait_until
from tests.integration import inside
from tests.integration.converge import Converged, converge, host_variables

NAMES = ("lag1", "lag2", "lagpool")
PRIMARY, STANDBY, POOLER = NAMES
SLOT = "lag2_main"
INI = "/etc/pgbouncer/pgbouncer.ini"
# A pooler without certificates: whom it reads from is what this is about.
PLAIN = {"client_tls_sslmode": "disable", "server_tls_sslmode": "disable", "auth_type": "trust"}


@dataclass(frozen=True)
class Scene:
    primary: Cluster
    standby: Cluster
    pooler: Node

    def write(self, number: int = 100) -> None:
        self.primary.psql(f"INSERT INTO written SELECT generate_series(1, {number})")

    def lag(self, settle: float = 1.0) -> dict[str, Any]:
        """What is said of the standby, as the playbook asks it."""
        there = self.look(self.primary)
        here = self.look(self.standby, primary_lsn=there["current"], settle=settle)
        given = {STANDBY: {"seen": here, "member": SLOT, "away": False}}
        return replica_lag(given, {"name": PRIMARY, **there}, over=0.5, back=0.1)[STANDBY]

    @staticmethod
    def look(cluster: Cluster, **options: Any) -> dict[str, Any]:
        ended = inside.run(cluster.node, "pg_replica_lag_info", options)
        assert ended.code == 0, ended.text
        assert ended.result["changed"] is False
        return dict(ended.result["seen"])

    def caught_up(self) -> bool:
        return self.lag(0.0)["cause"] is None

    def reading(self) -> str:
        """Whom the pool for readers leads to."""
        [line] = [line for line in self.pooler.exec(["cat", INI]).stdout.splitlines() if line.startswith("shop_ro ")]
        [address] = [word.partition("=")[2] for word in line.split() if word.startswith("host=")]
        return {self.primary.node.ip: PRIMARY, self.standby.node.ip: STANDBY}[address]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    try:
        with ThreadPoolExecutor(3) as pool:
            nodes = list(pool.map(lambda name: Node.start(name, 12), NAMES))
            list(pool.map(inside.install, nodes[:2]))
        primary = Cluster.create(nodes[0])
        found = Scene(primary, primary.clone_standby(nodes[1]), nodes[2])
        primary.psql("CREATE TABLE written (a int)")
        # They are looked for, although nobody uses them here.
        for name in ("ca.crt", "node.crt", "node.key"):
            nodes[2].exec(["install", "-D", "-o", "postgres", "-m", "0600", "/dev/null", f"/etc/ssl/postgres/{name}"])
        yield found
    finally:
        for name in NAMES:
            Node.remove(name)


@pytest.fixture
def play(scene: Scene, tmp_path: Path) -> Callable[..., Converged]:
    nodes = {PRIMARY: scene.primary.node, STANDBY: scene.standby.node, POOLER: scene.pooler}
    hosts = {name: host_variables(node, postgres_address=node.ip) for name, node in nodes.items()}
    shared = {
        "postgres_cluster": "orders",
        "postgres_hosts": [PRIMARY, STANDBY],
        "postgres_poolers": [POOLER],
        "provision_databases": [{"name": "shop"}],
        "pgbouncer_settings": PLAIN,
        "replica_lag_hosts": f"{PRIMARY}:{STANDBY}",
        # One that is paused is behind for as long as it is looked at.
        "replica_lag_settle": 1,
        "replica_lag_limit": 0.5,
        "replica_lag_back": 0.4,
    }

    def run(book: Any = ROOT / "playbooks/replica_lag.yml", *, check: bool = False, **variables: Any) -> Converged:
        return converge(hosts, tmp_path, book, {**shared, **variables}, check=check)

    return run


# What site does about readers.
SITE = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.import_role": {"name": "runbook.postgres.preflight", "tasks_from": "look"}},
            {
                "ansible.builtin.include_role": {"name": "runbook.postgres.pgbouncer", "tasks_from": "configure"},
                "when": f"inventory_hostname == '{POOLER}'",
            },
        ],
    }
]


def test_readers_leave_a_standby_that_is_behind_and_come_back(scene: Scene, play: Callable[..., Converged]) -> None:
    wait_until("it has all", scene.caught_up)
    play(replica_lag_limit=600)
    assert scene.reading() == STANDBY
    scene.standby.psql("SELECT pg_wal_replay_pause()")
    scene.write()
    check, run = play(check=True), play()
    assert check.outcomes == run.outcomes
    assert run.changes == [
        "Keep readers from it until it has caught up",
        "runbook.postgres.pgbouncer : Pools, limits and settings of PgBouncer",
    ]
    assert "replay is paused" in str(run.task("Tell", STANDBY).result["msg"])
    assert "Its readers go elsewhere." in str(run.task("Tell", STANDBY).result["msg"])
    assert scene.reading() == PRIMARY
    assert play().changes == []
    assert play(SITE).changes == []
    # Less than the limit is not enough to come back.
    assert play(replica_lag_limit=7200, replica_lag_back=0.1).changes == []
    scene.standby.psql("SELECT pg_wal_replay_resume()")
    wait_until("it has all", scene.caught_up)
    check, run = (play(check=check, replica_lag_limit=600, replica_lag_back=300) for check in (True, False))
    assert check.outcomes == run.outcomes
    assert "come back" in str(run.task("Tell", STANDBY).result["msg"])
    assert scene.reading() == STANDBY
    assert play(SITE).changes == []


@contextlib.contextmanager
def setting(cluster: Cluster, name: str, value: str) -> Iterator[None]:
    cluster.psql(f"ALTER SYSTEM SET {name} = '{value}'")
    cluster.psql("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        cluster.psql(f"ALTER SYSTEM RESET {name}")
        cluster.psql("SELECT pg_reload_conf()")


def test_a_delay_that_somebody_asked_for(scene: Scene) -> None:
    with setting(scene.standby, "recovery_min_apply_delay", "1h"):
        scene.write()
        found = scene.lag()
    assert (found["cause"], found["away"]) == ("apply_delay", True)
    assert "is 1h" in found["sentence"]
    wait_until("it has all", scene.caught_up)


def test_a_reader_that_replay_waits_for(scene: Scene) -> None:
    reader = ["psql", "-XAtq", "-c", "BEGIN", "-c", "SELECT count(*) FROM written", "-c", "SELECT pg_sleep(300)"]
    unit = ["systemd-run", "--quiet", "--unit=reader", "--uid=postgres", "--setenv=PGAPPNAME=a report"]
    scene.standby.node.exec([*unit, *reader])
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    try:
        wait_until("it reads", lambda: scene.standby.psql(sleeping) == "1")
        scene.primary.psql("ALTER TABLE written ADD COLUMN b int")
        found = scene.lag()
    finally:
        scene.standby.node.exec(["systemctl", "stop", "reader"])
    assert found["cause"] == "conflict", found
    assert "postgres in postgres by a report (PID" in found["sentence"]
    assert "up to 30s" in found["sentence"]
    wait_until("it has all", scene.caught_up)


def test_a_network_that_lets_nothing_through(scene: Scene) -> None:
    drop = ["OUTPUT", "-d", scene.standby.node.ip, "-p", "tcp", "--sport", "5432", "-j", "DROP"]
    scene.primary.node.exec(["iptables", "-I", *drop])
    try:
        scene.write()
        found = scene.lag()
    finally:
        scene.primary.node.exec(["iptables", "-D", *drop])
    assert found["cause"] == "network", found
    assert "was sent 0/" in found["sentence"]
    wait_until("it has all", scene.caught_up)


def test_nobody_sends_and_then_what_it_needs_is_gone(scene: Scene) -> None:
    """The last of the story: afterwards the standby has to be copied again."""
    with setting(scene.standby, "primary_conninfo", ""):
        wait_until("nobody streams", lambda: not scene.primary.streaming_standbys())
        scene.write()
        assert scene.lag()["cause"] == "not_receiving"
        scene.primary.psql(f"SELECT pg_drop_replication_slot('{SLOT}')")
        for _segment in range(3):
            scene.write()
            scene.primary.psql("SELECT pg_switch_wal()")
        scene.primary.psql("CHECKPOINT")
        found = scene.lag()
    assert found["cause"] == "missing_wal", found
    assert "replication_rebuild" in found["sentence"]
