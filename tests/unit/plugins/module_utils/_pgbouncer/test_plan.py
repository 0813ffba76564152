"""What is done to a pooler, from what it is and what it should be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._files import File
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.console import Running
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.host import Host
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.layout import (
    TEMPLATE,
    TEMPLATE_UNIT,
    USERLIST,
    Process,
)
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.leaving import leaving, number_for_now
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.plan import PoolerPlan, plan_pooler
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.pools import configurations
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.request import Database, Wanted

ONE = Process()
ASKED = Wanted("db1", databases=(Database("shop", "shop", ""),), settings={"listen_addr": ["127.0.0.1", "10.0.0.1"]})
# As the console shows it: a value, and whether a reload changes it.
LIVE = {
    "max_client_conn": ("100", True),
    "pkt_buf": ("4096", False),
    "server_tls_cert_file": ("", True),
    "listen_addr": ("127.0.0.1, 10.0.0.1", False),
    "so_reuseport": ("0", False),
    "peer_id": ("0", False),
    "pidfile": (ONE.pidfile, False),
    "unix_socket_dir": (ONE.socket_directory, False),
}
POOLS = {"shop": {"host": "db1"}}
RUNNING = Running(LIVE, POOLS)
# The trial has sockets of its own and listens nowhere.
TRIAL = Running({**LIVE, "listen_addr": ("", False), "unix_socket_dir": ("/tmp/x", False)}, POOLS)


def files(text: str = "new") -> dict[Path, File]:
    def own(path: Path, content: bytes, secret: bool = False) -> File:
        return File(path, content, "postgres", "postgres", 0o640, secret)

    return {ONE.ini: own(ONE.ini, text.encode()), USERLIST: own(USERLIST, b"", True)}


def host(text: str = "new", running: Running | None = RUNNING) -> Host:
    lives = {} if running is None else {ONE: running}
    units = frozenset({ONE.unit})
    return Host("/usr/sbin/pgbouncer", (1, 24), files(text), units, units if lives else frozenset(), lives)


def plan(
    found: Host,
    read_as: Running | None = TRIAL,
    restart: str = "idle",
    asked: Wanted = ASKED,
    kept: tuple[Process, ...] = (),
) -> PoolerPlan:
    configured = configurations(asked, (1, 24))
    read = {} if read_as is None else {one.process: read_as for one in configured}
    return plan_pooler(found, configured, {one.process: "new" for one in configured}, "", read, restart, kept)


def steps(made: PoolerPlan) -> list[str]:
    return [step.sentence for step in made.changes]


def test_a_finished_pooler_has_nothing_to_do() -> None:
    made = plan(host())
    assert (steps(made), made.pending) == ([], {})
    assert made.before == made.after


def test_a_bare_host() -> None:
    made = plan(Host(None, (1, 24)), read_as=None)
    assert steps(made) == [
        "write /etc/pgbouncer/pgbouncer.ini",
        "write /etc/pgbouncer/userlist.txt",
        "enable pgbouncer.service",
        "start pgbouncer.service",
    ]


def test_another_file_is_written_and_read() -> None:
    assert steps(plan(host("old"))) == ["replace /etc/pgbouncer/pgbouncer.ini", "reload pgbouncer.service"]


@pytest.mark.parametrize(
    "otherwise",
    [
        Running({**LIVE, "max_client_conn": ("9", True)}, POOLS),
        Running(LIVE, {"shop": {"host": "db9"}}),
        Running(LIVE, {}),
    ],
)
def test_a_process_that_runs_otherwise_is_told_to_read(otherwise: Running) -> None:
    assert steps(plan(host(running=otherwise))) == ["reload pgbouncer.service"]


def test_a_stopped_one_starts() -> None:
    assert steps(plan(host(running=None))) == ["start pgbouncer.service"]


@pytest.mark.parametrize(
    ("otherwise", "setting"),
    [
        (Running({**LIVE, "listen_addr": ("localhost", False)}, POOLS), "listen_addr"),
        (Running({**LIVE, "pkt_buf": ("2048", False)}, POOLS), "pkt_buf"),
        (
            Running({**LIVE, "server_tls_cert_file": ("", False)}, POOLS, stale_certificates=True),
            "certificates",
        ),
    ],
)
@pytest.mark.parametrize(
    ("clients", "restart", "at_once"),
    [(0, "idle", True), (1, "idle", False), (0, "never", False), (1, "always", True)],
)
def test_what_only_a_start_changes(otherwise: Running, setting: str, clients: int, restart: str, at_once: bool) -> None:
    made = plan(host(running=replace(otherwise, clients=clients)), restart=restart)
    if at_once:
        assert steps(made) == [f"restart pgbouncer.service for {setting}"]
        assert made.pending == {}
    else:
        assert steps(made) == []
        assert made.pending == {"pgbouncer.service": (setting,)}


def test_what_can_be_reloaded_is_while_the_rest_waits() -> None:
    busy = Running({**LIVE, "listen_addr": ("localhost", False)}, POOLS, clients=3)
    made = plan(host("old", busy))
    assert steps(made) == ["replace /etc/pgbouncer/pgbouncer.ini", "reload pgbouncer.service"]
    assert made.pending == {"pgbouncer.service": ("listen_addr",)}


def test_certificates_that_a_reload_takes_up_wait_for_nothing() -> None:
    assert plan(host(running=replace(RUNNING, stale_certificates=True))).pending == {}


def test_from_one_process_to_two() -> None:
    two = replace(ASKED, processes=2)
    made = plan(host(), asked=two)
    assert steps(made) == [
        "write /etc/pgbouncer/process-1.ini",
        "write /etc/pgbouncer/process-2.ini",
        "write /etc/systemd/system/pgbouncer@.service",
        "let systemd read its units again",
        "stop and disable pgbouncer.service",
        "enable pgbouncer@1.service",
        "start pgbouncer@1.service",
        "enable pgbouncer@2.service",
        "start pgbouncer@2.service",
    ]


@pytest.mark.parametrize(("clients", "restart"), [(1, "idle"), (1, "never"), (0, "never")])
@pytest.mark.parametrize("text", ["new", "old"])
def test_another_number_of_processes_waits_for_clients_and_nothing_else_does(
    text: str, clients: int, restart: str
) -> None:
    """Say, another primary: the process that lives gets it."""
    found = host(text, replace(RUNNING, clients=clients))
    kept = leaving(found, 2, restart)
    made = plan(found, asked=replace(ASKED, processes=number_for_now(2, kept)), restart=restart, kept=kept)
    changes = ["replace /etc/pgbouncer/pgbouncer.ini", "reload pgbouncer.service"] if text == "old" else []
    assert steps(made) == changes
    assert made.pending == {"pgbouncer.service": ("processes",)}
    assert made.before == made.after


def test_what_else_waits_is_said_as_well() -> None:
    found = host(running=Running({**LIVE, "listen_addr": ("localhost", False)}, POOLS, clients=1))
    made = plan(found, kept=leaving(found, 4, "idle"))
    assert made.pending == {"pgbouncer.service": ("listen_addr", "processes")}


@pytest.mark.parametrize(
    ("clients", "asked", "restart", "staying", "number"),
    [
        # Of the numbers of those that run, with their clients.
        ({0: 0}, 2, "idle", [], 2),
        ({0: 1}, 2, "idle", [0], 1),
        ({0: 1}, 2, "always", [], 2),
        ({0: 0}, 2, "never", [0], 1),
        ({1: 5, 2: 5}, 4, "never", [], 4),
        ({1: 5, 2: 5, 3: 1, 4: 0}, 2, "idle", [3], 3),
        ({1: 5, 2: 0}, 1, "idle", [1], 2),
        ({1: 0, 2: 1}, 1, "idle", [2], 2),
        ({1: 0, 2: 0}, 1, "idle", [], 1),
        ({}, 3, "idle", [], 3),
        # Started by hand, at another port.
        ({0: 1, 1: 0, 2: 1}, 2, "idle", [0], 1),
    ],
)
def test_those_with_clients_stay(
    clients: dict[int, int], asked: int, restart: str, staying: list[int], number: int
) -> None:
    lives = {Process(each): replace(RUNNING, clients=connected) for each, connected in clients.items()}
    kept = leaving(replace(host(), running=lives), asked, restart)
    assert [process.number for process in kept] == staying
    assert number_for_now(asked, kept) == number


def test_of_many_processes_those_without_clients_go_first() -> None:
    lives = {Process(number): replace(RUNNING, clients=number % 2) for number in (1, 2, 3, 4)}
    units = frozenset(process.unit for process in lives)
    written = {process.ini: File(process.ini, b"new", "postgres", "postgres", 0o640) for process in lives}
    unit = File(TEMPLATE_UNIT, TEMPLATE.encode())
    found = Host("/usr/sbin/pgbouncer", (1, 24), {**files(), **written, unit.path: unit}, units, units, lives)
    kept = leaving(found, 2, "idle")
    made = plan(found, read_as=None, asked=replace(ASKED, processes=number_for_now(2, kept)), restart="idle", kept=kept)
    assert "stop and disable pgbouncer@4.service" in steps(made)
    assert "remove /etc/pgbouncer/process-4.ini" in steps(made)
    assert not any("stop and disable pgbouncer@3" in step for step in steps(made))
    assert made.pending["pgbouncer@3.service"][-1] == "processes"


def test_secrets_are_hidden() -> None:
    configured = configurations(ASKED, (1, 24))
    made = plan_pooler(host(), configured, {ONE: "new"}, '"a" "SCRAM-SHA-256$secret"\n', {ONE: TRIAL})
    (change,) = made.file_changes
    assert "secret" not in str(change.diff()).replace("not shown", "")
    assert steps(made) == ["replace /etc/pgbouncer/userlist.txt", "reload pgbouncer.service"]
