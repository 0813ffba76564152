"""Whether a server is one that Patroni started, by its command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._patroni import host
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import Postmaster

DATA = Path("/var/lib/postgresql/15/main")
PLACE = str(DATA).encode()


@pytest.mark.parametrize(
    ("option", "its"),
    [
        (b"--config-file=%b/postgresql.conf" % PLACE, True),
        (b"--config_file=%b/postgresql.conf" % PLACE, True),
        (b"-c\0config_file=/etc/postgresql/15/main/postgresql.conf", False),
    ],
)
def test_by_its_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: bytes, its: bool) -> None:
    monkeypatch.setattr(host, "postmaster", lambda _: Postmaster(7, 5432, ""))
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cmdline").write_bytes(b"postgres\0-D\0%b\0%b\0" % (PLACE, option))
    assert host.runs_server(DATA, tmp_path) is its


def test_one_that_ended_meanwhile_is_nobodys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(host, "postmaster", lambda _: Postmaster(7, 5432, ""))
    assert not host.runs_server(DATA, tmp_path)
    monkeypatch.setattr(host, "postmaster", lambda _: None)
    assert not host.runs_server(DATA, tmp_path)
