"""What is done in the end, also by a process that outlives a kill."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._switchover.guard import guarded


def test_nothing_is_done_for_who_ends_by_itself(tmp_path: Path) -> None:
    with guarded((tmp_path / "done").touch):
        pass
    assert not (tmp_path / "done").exists()


def test_nor_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ours"), guarded((tmp_path / "done").touch):
        raise ValueError("ours")
    assert not (tmp_path / "done").exists()


def test_it_is_done_after_a_kill(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with guarded((tmp_path / "done").touch):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    until = time.monotonic() + 30
    while not (tmp_path / "done").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
