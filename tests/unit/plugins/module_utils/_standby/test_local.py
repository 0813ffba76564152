"""Whether a server runs on some data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._standby import local


class Silent:
    """A socket at which nobody answers."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def json(self, _: str) -> NoReturn:
        raise Problem("Nobody answers.")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the file of a server that is this process."""
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n", encoding="utf-8")
    monkeypatch.setattr(local, "Socket", Silent)
    return tmp_path


def test_a_process_that_works_elsewhere_is_another_one(data: Path) -> None:
    assert local.server_of(5432, data) is None


def test_one_that_may_not_be_looked_into_is_taken_for_the_server(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def readlink(_: Path) -> NoReturn:
        raise PermissionError

    monkeypatch.setattr(Path, "readlink", readlink)
    assert local.server_of(5432, data) == local.Server()
