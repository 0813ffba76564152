"""A paused recovery: what it is told to stop at is whole or not there, and is forgotten once it has ended."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import exchange
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place

SETTINGS = "work_mem = '8MB'\n"


class Paused:
    """A server that leaves recovery when it has been asked so often, or never."""

    def __init__(self, until: int | None) -> None:
        self.until, self.asked, self.heard = until, 0, ""

    def socket(self, **_how: Any) -> Paused:
        return self

    def psql(self, sql: str) -> str:
        self.heard += sql
        return "f\n" if "pg_promote" in sql else ""

    def json(self, sql: str) -> Any:
        if "pg_walfile_name" in sql:
            return 2
        self.asked += 1
        return {"in_recovery": self.until is None or self.asked < self.until, "system_identifier": "1"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(_debian, "SUPERUSER", pwd.getpwuid(os.geteuid()).pw_name)
    place = Place(15, "main", tmp_path / "data")
    for directory in (place.data, place.restored):
        directory.mkdir(parents=True)
        (directory / "postgresql.auto.conf").write_text(SETTINGS)
    return place


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], Paused]:
    def serve(until: int | None) -> Paused:
        server = Paused(until)
        monkeypatch.setattr(exchange, "postmaster", lambda _data: server)
        return server

    return serve


def test_a_target_is_kept_while_recovery_goes_on(place: Place, served: Callable[[int | None], Paused]) -> None:
    (place.data / "postgresql.auto.conf").write_text(SETTINGS + "recovery_target_xid = '7'\n")
    server = served(None)
    with pytest.raises(Problem, match=r"has not in 300 s: see /var/log/postgresql/postgresql-15-main.log for what"):
        exchange.promote(place)
    assert "RESET" not in server.heard


def test_one_that_took_longer_is_through_all_the_same(place: Place, served: Callable[[int | None], Paused]) -> None:
    recovery = {"recovery_target_time": "2026-01-31", "restore_command": "get %f"}
    exchange.stay_paused(place, recovery)
    (place.restored / "postgresql.auto.conf").replace(place.data / "postgresql.auto.conf")
    server = served(2)
    assert exchange.promote(place) == 2
    for name in recovery:
        assert f"RESET {_debian.identifier(name)};" in server.heard
    assert "work_mem" not in server.heard


def test_one_that_went_on_already_is_not_told_again(place: Place, served: Callable[[int | None], Paused]) -> None:
    server = served(1)
    assert exchange.promote(place) == 2
    assert "pg_promote" not in server.heard


def test_its_settings_are_whole_or_as_they_were(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that dies before the file has its name has changed nothing that a server reads."""

    def dies(_self: Path, _target: Path) -> Path:
        raise KeyboardInterrupt

    file = place.restored / "postgresql.auto.conf"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            exchange.stay_paused(place, {"recovery_target_xid": "7"})
    assert file.read_text() == SETTINGS
    for value in ("7", "8"):
        # Once is enough, however often it is said.
        exchange.stay_paused(place, {"recovery_target_xid": value})
        assert file.read_text() == SETTINGS + exchange._OURS.decode() + f"recovery_target_xid = '{value}'\n"
    assert [each.name for each in place.restored.iterdir()] == ["postgresql.auto.conf"]
