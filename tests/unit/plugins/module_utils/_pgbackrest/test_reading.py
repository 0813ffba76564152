"""Nothing is removed while somebody on this host restores, and nobody begins to while something is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils import _host_lock
from ansible_collections.runbook.postgres.plugins.module_utils._host_lock import Busy
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest import reading as readings
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.reading import is_read, reading, unread


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "locks"
    monkeypatch.setattr(_host_lock, "LOCKS", place)
    return place


def test_several_read_at_once_and_nothing_is_removed_until_the_last_has_ended() -> None:
    with reading("orders"):
        with reading("orders"):
            assert is_read("orders")
        with pytest.raises(Busy), unread("orders"):
            pass
        with unread("books"):
            pass
    assert not is_read("orders")
    with unread("orders"):
        pass


def test_who_begins_to_read_while_something_is_removed_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "_SECONDS", 0.1)
    with unread("orders"), pytest.raises(Busy), reading("orders"):
        pass


def test_a_dry_run_reads_nothing_and_makes_no_file(locks: Path) -> None:
    with reading("orders", check=True):
        assert not is_read("orders")
    assert not locks.exists()
