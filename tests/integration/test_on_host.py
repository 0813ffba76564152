"""The module as its users run it: by Ansible, on the database host, over the unix socket.

One play for each release asks everything once for each user, with a full disk
to be found; the tests look at what came back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.integration.faults.storage import full_disk
from tests.integration.play import play
from tests.integration.runner import Report, checked
from tests.integration.servers import SMALL_DISK, Server

LEVELS = {
    "disk_used_percent": {"warning": 90, "critical": 92},
    "inodes_used_percent": {"warning": 0, "critical": None},
    "database_disk_percent": {"warning": 0, "critical": None},
}
STATE_DIRECTORY = "/var/lib/runbook-postgres"
LONG_AGO, NOW = "2001-02-03T04:05:06+00:00", datetime.now(timezone.utc).isoformat()
# What was written down of a cluster that is in order, and of one that is not.
STATES: dict[str, dict[str, Any]] = {
    "backup-good": {"cluster": "good", "last_backup_at": NOW, "last_verified_at": NOW},
    "backup-old": {
        "cluster": "old",
        "last_backup_at": LONG_AGO,
        "last_verified_at": None,
        "repositories": {"1": {"problems": ["WAL segment 000000010000000000000003 is missing."]}},
    },
    "drill-good": {"cluster": "good", "at": NOW, "passed": True, "passed_at": NOW},
    "drill-old": {"cluster": "old", "at": NOW, "passed": False, "passed_at": LONG_AGO, "faults": ["RTO was 2 h."]},
}
SOCKET = {"login_unix_socket": "/var/run/postgresql", "databases": ["app"], "thresholds": LEVELS}


@pytest.fixture(scope="module")
def results(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, dict[str, Any]]]:
    """The same question by different users and ways, answered while a disk is full."""
    over_tcp = {
        **SOCKET,
        "login_host": "127.0.0.1",
        "login_user": "monitor",
        "login_password": server.passwords["monitor"],
    }
    tasks: list[dict[str, Any]] = [
        {"name": "real", "options": SOCKET, "become_user": "postgres"},
        {"name": "check", "options": SOCKET, "become_user": "postgres", "check_mode": True},
        {"name": "stranger", "options": over_tcp, "become_user": "nobody"},
        {"name": "silent", "options": {"login_port": 1, "on_unreachable": "report"}, "become_user": "postgres"},
        {"name": "failing", "options": {"login_port": 1}, "become_user": "postgres", "ignore_errors": True},
        {"name": "refused", "options": {"gather_subset": ["x"]}, "become_user": "nobody", "ignore_errors": True},
    ]
    for name, state in STATES.items():
        server.node.exec(["install", "-d", "-m", "0755", STATE_DIRECTORY])
        server.node.write(f"{STATE_DIRECTORY}/{name}.json", json.dumps(state))
    with full_disk(server):
        yield play(server.node, tasks, tmp_path_factory.mktemp("play"))


def report(results: Mapping[str, dict[str, Any]], name: str) -> Report:
    return checked(results[name], str(results[name]))


def test_everything_is_answered(results: Mapping[str, dict[str, Any]]) -> None:
    assert report(results, "real").unavailable() == {}


def test_a_full_disk_is_found(results: Mapping[str, dict[str, Any]]) -> None:
    found = report(results, "real").findings("disk_used_percent")
    ((full),) = [finding for finding in found if finding["object"] == f"{SMALL_DISK}/tablespace"]
    assert full["severity"] == "critical"
    assert 92 < full["value"] <= 100
    assert "tablespace small" in full["message"]


def test_disks_are_measured_once_each(server: Server, results: Mapping[str, dict[str, Any]]) -> None:
    """Data directory and WAL share a file system here, and it is as df says."""
    disks = report(results, "real").metrics["storage"]["disks"]
    assert [disk["purpose"] for disk in disks] == ["data directory, WAL", "tablespace small"]
    df = server.node.exec(["df", "--block-size=1", "--output=size", SMALL_DISK]).stdout.split()
    assert disks[1]["total_bytes"] == int(df[-1])


def test_inodes_and_shares_are_judged(results: Mapping[str, dict[str, Any]]) -> None:
    real = report(results, "real")
    assert f"{SMALL_DISK}/tablespace" in [each["object"] for each in real.findings("inodes_used_percent")]
    assert "app" in [each["object"] for each in real.findings("database_disk_percent")]


@pytest.mark.parametrize(
    ("check", "severity", "words"),
    [
        ("backup_age_seconds", "critical", "The latest backup is"),
        ("backup_verified_seconds", "warning", "was never verified"),
        ("backup_problems", "warning", "WAL segment 000000010000000000000003 is missing."),
        ("drill_age_seconds", "warning", "that passed was"),
        ("drill_failed", "critical", "RTO was 2 h."),
    ],
)
def test_backups_and_drills_are_judged(
    results: Mapping[str, dict[str, Any]], check: str, severity: str, words: str
) -> None:
    (found,) = report(results, "real").findings(check)
    assert (found["object"], found["severity"]) == ("old", severity)
    assert words in found["message"]


def test_check_mode_says_the_same(results: Mapping[str, dict[str, Any]]) -> None:
    real, check = report(results, "real"), report(results, "check")
    assert check.status == real.status
    assert check.metrics.keys() == real.metrics.keys()
    objects = [[(each["check"], each["object"]) for each in one.findings()] for one in (real, check)]
    assert objects[0] == objects[1]


def test_who_may_not_look_at_the_disks_is_told(results: Mapping[str, dict[str, Any]]) -> None:
    """Another user of the host sees the server, and of the disks only what it may."""
    stranger = report(results, "stranger")
    reason = stranger.unavailable()["disks"]
    assert "tablespace small" in reason or "WAL" in reason or "data directory" in reason
    assert "become_user" in reason
    assert stranger.metrics["databases"]["database_activity"]


def test_a_dead_server_is_reported_or_fails(results: Mapping[str, dict[str, Any]]) -> None:
    assert report(results, "silent").status == "down"
    assert results["failing"]["failed"]
    assert "port 1" in results["failing"]["msg"]


def test_refusals_reach_the_user(results: Mapping[str, dict[str, Any]]) -> None:
    assert "sessions, databases" in results["refused"]["msg"]


def test_no_password_is_in_any_result(server: Server, results: Mapping[str, dict[str, Any]]) -> None:
    assert not [secret for secret in server.passwords.values() if secret in str(results)]
