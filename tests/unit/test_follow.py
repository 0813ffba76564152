"""The program by which a pooler follows the primary that Patroni names: what it makes of PgBouncer's file."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLLOW = Path(__file__).resolve().parents[2] / "roles/patroni/files/follow.py"
MEMBERS = {"192.0.2.11": "https://192.0.2.11:8008/primary", "192.0.2.12": "https://192.0.2.12:8008/primary"}
FILE = """\
; Written whole by runbook.postgres; changes made here by hand are lost at its next run.

[databases]
shop = host=192.0.2.11 port=5432 dbname=shop
shop_ro = host=192.0.2.12 port=5432 dbname=shop
alone_ro = host=192.0.2.11 port=5432 dbname=alone
others = host=198.51.100.7 port=5432

[pgbouncer]
listen_port = 6432
unix_socket_dir = /var/run/postgresql
"""


@pytest.fixture(scope="module")
def follow() -> ModuleType:
    spec = importlib.util.spec_from_file_location("follow", FOLLOW)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks up the module that it is made in.
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setitem(sys.modules, "follow", module)
    spec.loader.exec_module(module)
    monkeypatch.undo()
    return module


def test_what_led_to_the_old_primary_leads_to_the_new_one(follow: ModuleType) -> None:
    """Readers that had to make do with it as well; those of a standby stay, and so does what is somebody else's."""
    text, moved = follow.repointed(FILE, ["shop"], list(MEMBERS), "192.0.2.12")
    assert moved == ["shop", "alone_ro"]
    assert text == FILE.replace("192.0.2.11", "192.0.2.12")


def test_a_second_time_nothing_moves(follow: ModuleType) -> None:
    text, _moved = follow.repointed(FILE, ["shop"], list(MEMBERS), "192.0.2.12")
    assert follow.repointed(text, ["shop"], list(MEMBERS), "192.0.2.12") == (text, [])


def test_a_pool_that_leads_elsewhere_stays(follow: ModuleType) -> None:
    assert follow.repointed(FILE, ["others"], list(MEMBERS), "192.0.2.12") == (FILE, [])


def test_the_one_that_holds_the_lock_is_followed(follow: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = follow.Wish(MEMBERS, ["shop"], "/nowhere", 1)
    monkeypatch.setattr(follow.ssl, "create_default_context", lambda **_: None)
    for holding, led in ((["192.0.2.12"], "192.0.2.12"), ([], None), (list(MEMBERS), None)):
        monkeypatch.setattr(follow, "holds_lock", lambda url, _, all_=holding: any(each in url for each in all_))
        assert follow.primary(wish) == led


def test_a_file_is_replaced_with_its_mode(follow: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "pgbouncer.ini"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    follow.put(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_each_file_has_its_unit_and_its_settings(follow: ModuleType) -> None:
    assert follow.unit(Path("/etc/pgbouncer/pgbouncer.ini")) == "pgbouncer.service"
    assert follow.unit(Path("/etc/pgbouncer/process-2.ini")) == "pgbouncer@2.service"
    assert follow.setting(FILE, "listen_port") == "6432"
    assert follow.setting(FILE, "none") == ""
