"""Programs that promote by themselves, told by how they were started."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._promoters import promoter, running, through

COMMANDS = [
    ("/usr/bin/patroni /etc/patroni/15-main.yml", "Patroni"),
    ("/usr/bin/python3 /usr/bin/patroni /etc/patroni/15-main.yml", "Patroni"),
    ("python3 -u /opt/patroni/patroni.py postgres0.yml", "Patroni"),
    ("python3 -m patroni /etc/patroni.yml", "Patroni"),
    ("/usr/lib/postgresql/15/bin/repmgrd --daemonize=false -f /etc/repmgr.conf", "repmgrd"),
    ("/usr/sbin/pacemakerd", "Pacemaker"),
    ("pg_autoctl run", "pg_auto_failover"),
    ("stolon-keeper --cluster-name=x", "Stolon"),
    ("python3 /usr/bin/patronictl list", None),
    ("vim /etc/patroni", None),
    ("tail -f /var/log/patroni", None),
    ("python3 /srv/report.py /usr/bin/patroni", None),
    ("python3", None),
    ("postgres: walreceiver streaming 0/5000000", None),
]


@pytest.mark.parametrize(("command", "expected"), COMMANDS, ids=[each[0] for each in COMMANDS])
def test_a_command_line(command: str, expected: str | None) -> None:
    assert promoter(command.split()) == expected


def test_each_is_named_once_and_who_ended_is_passed_over(tmp_path: Path) -> None:
    for pid, line in ((1, b"/sbin/init\0"), (7, b"repmgrd\0-d\0"), (8, b"repmgrd\0"), (9, b"patroni\0"), (10, b"")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_bytes(line)
    (tmp_path / "11").mkdir()
    (tmp_path / "self").mkdir()
    assert running(tmp_path) == ["Patroni", "repmgrd"]


def test_how_to_go_through_one_is_told_where_it_is_known() -> None:
    assert "runbook.postgres.switchover" in through(["Patroni"])
    assert through(["repmgrd"]) == "go through it (repmgr standby switchover)"
    assert through(["Pacemaker"]) == "go through it"
